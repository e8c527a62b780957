"""ZFNet: Zeiler and Fergus 2013, "Visualizing and understanding convolutional networks"."""

from __future__ import annotations

from hubel.net.algebra import Net, named
from hubel.net.names import conv, dropout, fc, lrn, maxpool, relu


def zfnet(classes: int = 1000) -> Net:
    """ZFNet, figure 3: 62,357,608 parameters; 224x224x3.

    The sizes that do not divide are the paper's: conv1 leaves the last row and column unused (110.5 to 110),
    and pool1 and pool2 round up (54.5 to 55, 12.5 to 13). Source: figure 3, sections 3 and 4. Deviation:
    AlexNet's response normalisation in place of a contrast normalisation across maps whose constants the
    paper does not give.
    """
    return _zfnet((384, 384, 256), classes)


def zfnet_1024(classes: int = 1000) -> Net:
    """ZFNet with 512, 1024 and 512 filters in conv3 to conv5: 107,627,624 parameters; 224x224x3.

    This is the network that the lecture shows. Source: table 2, row (b); table 3, "adjust layers 3,4,5".
    Deviation: as `zfnet`.
    """
    return _zfnet((512, 1024, 512), classes)


def _zfnet(filters: tuple[int, int, int], classes: int) -> Net:
    """Figure 3, with the given filters in conv3, conv4 and conv5."""
    up = maxpool(3, stride=2, ceil=True)
    conv1 = named("conv1", conv(96, 7, stride=2, pad=1)) >> relu >> named("pool1", up) >> named("norm1", lrn)
    conv2 = named("conv2", conv(256, 5, stride=2)) >> relu >> named("pool2", up) >> named("norm2", lrn)
    conv3 = named("conv3", conv(filters[0], 3, pad=1)) >> relu
    conv4 = named("conv4", conv(filters[1], 3, pad=1)) >> relu
    conv5 = named("conv5", conv(filters[2], 3, pad=1)) >> relu >> named("pool5", maxpool(3, stride=2))
    fc6 = named("fc6", fc(4096)) >> relu >> dropout
    fc7 = named("fc7", fc(4096)) >> relu >> dropout
    return conv1 >> conv2 >> conv3 >> conv4 >> conv5 >> fc6 >> fc7 >> named("fc8", fc(classes))
