"""NIN: Lin, Chen and Yan 2013, "Network in network": 1x1 convolutions, and no fully connected layer."""

from __future__ import annotations

from hubel.net.algebra import Net, named
from hubel.net.names import avgpool, conv, dropout, globalavgpool, maxpool, relu


def nin(classes: int = 10) -> Net:
    """NIN for CIFAR-10: 966,986 parameters; 32x32x3.

    Three mlpconv layers, of a convolution and two of 1x1, and a map per class, whose mean is the score.
    Source: section 4.1, figure 2; the authors' definition for Caffe for the widths, which the paper does not
    print. Pooling rounds up there.
    """
    first = _mlpconv(1, 5, (192, 160, 96)) >> maxpool(3, stride=2, ceil=True) >> dropout
    second = _mlpconv(2, 5, (192, 192, 192)) >> avgpool(3, stride=2, ceil=True) >> dropout
    return first >> second >> _mlpconv(3, 3, (192, 192, classes)) >> globalavgpool


def _mlpconv(number: int, size: int, filters: tuple[int, int, int]) -> Net:
    """A convolution and a perceptron at each place, which is two 1x1 convolutions. Source: section 3.1."""
    first = named("conv", conv(filters[0], size, pad=size // 2)) >> relu
    perceptron = named("cccp1", conv(filters[1], 1)) >> relu >> named("cccp2", conv(filters[2], 1)) >> relu
    return named(f"mlpconv{number}", first >> perceptron)
