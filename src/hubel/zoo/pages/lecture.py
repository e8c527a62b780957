"""The lecture's own networks: Stanford CS231n, Karpathy, Johnson and Li 2016, on convolutional networks."""

from __future__ import annotations

from hubel.net.algebra import Net
from hubel.net.names import conv, fc, maxpool, relu, softmax


def lecture_demo(classes: int = 10) -> Net:
    """The network on the slide with the car, a demo that runs in the browser: 32x32x3.

    CONV-RELU-CONV-RELU-POOL three times, with ten 3x3 filters per convolution, then FC to the scores. Source:
    the lecture's overview of the layers of a ConvNet; CS231n notes, "Convolutional networks".
    """
    return 3 * (2 * (conv(10, 3, pad=1) >> relu) >> maxpool(2)) >> fc(classes)


def pattern(
    n: int = 2,
    m: int = 3,
    k: int = 1,
    *,
    pool: bool = True,
    filters: int = 64,
    units: int = 512,
    classes: int = 10,
) -> Net:
    """The lecture's pattern, `[(CONV-RELU)*N-POOL?]*M-(FC-RELU)*K-SOFTMAX`.

    In the lecture N is up to about 5, M is large, and 0 <= K <= 2. All convolutions are 3x3 with `filters`
    filters and keep the size; `pool` says whether there is 2x2 pooling; the K hidden layers have `units`
    units; SOFTMAX is a fully connected layer to `classes` scores and their softmax. Takes 32x32x3.
    """
    convs = n * (conv(filters, 3, pad=1) >> relu)
    features = m * (convs >> maxpool(2) if pool else convs)
    hidden = features >> k * (fc(units) >> relu) if k else features
    return hidden >> fc(classes) >> softmax
