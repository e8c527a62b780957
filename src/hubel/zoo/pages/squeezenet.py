"""SqueezeNet: Iandola et al. 2016, "AlexNet-level accuracy with 50x fewer parameters"; 224x224x3, any size.

Deviation throughout: the size of 1.0 follows from its first layer without padding, as in torchvision; the
paper's table 1 prints 111x111 after conv1 for an input of 224x224, which its filters give on 227x227.
"""

from __future__ import annotations

from hubel.net.algebra import Net, named
from hubel.net.names import conv, dropout, globalavgpool, maxpool, relu

down = maxpool(3, stride=2, ceil=True)


def squeezenet1_0(classes: int = 1000) -> Net:
    """SqueezeNet 1.0, table 1: 1,248,424 parameters."""
    early = named("conv1", conv(96, 7, stride=2)) >> relu >> down
    middle = _fire(2, 16, 64) >> _fire(3, 16, 64) >> _fire(4, 32, 128) >> down
    late = _fire(5, 32, 128) >> _fire(6, 48, 192) >> _fire(7, 48, 192) >> _fire(8, 64, 256) >> down
    return early >> middle >> late >> _fire(9, 64, 256) >> _classifier(classes)


def squeezenet1_1(classes: int = 1000) -> Net:
    """SqueezeNet 1.1, 2.4 times fewer MACs at the same accuracy: 1,235,496 parameters.

    Source: the repository forresti/SqueezeNet, SqueezeNet_v1.1: 3x3 filters in conv1, and earlier pooling.
    """
    early = named("conv1", conv(64, 3, stride=2)) >> relu >> down
    middle = _fire(2, 16, 64) >> _fire(3, 16, 64) >> down >> _fire(4, 32, 128) >> _fire(5, 32, 128) >> down
    late = _fire(6, 48, 192) >> _fire(7, 48, 192) >> _fire(8, 64, 256) >> _fire(9, 64, 256)
    return early >> middle >> late >> _classifier(classes)


def _fire(number: int, squeeze: int, expand: int) -> Net:
    """The Fire module: 1x1 filters squeeze, 1x1 and 3x3 filters side by side expand. Source: section 3.2."""
    ones = named("expand1x1", conv(expand, 1)) >> relu
    threes = named("expand3x3", conv(expand, 3, pad=1)) >> relu
    return named(f"fire{number}", named("squeeze", conv(squeeze, 1)) >> relu >> (ones | threes))


def _classifier(classes: int) -> Net:
    """conv10 has a map per class, whose mean is the score. Source: section 3.3, after Lin et al. 2013."""
    return dropout >> named("conv10", conv(classes, 1)) >> relu >> globalavgpool
