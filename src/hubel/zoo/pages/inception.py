"""Inception-v3: Szegedy et al. 2015, "Rethinking the Inception architecture for computer vision".

Large filters are factorised into small ones and into pairs of a row and a column. The names and the order of
branches are those of torchvision; the figures are the paper's.
"""

from __future__ import annotations

from hubel.net.algebra import Net, named, side
from hubel.net.names import avgpool, batchnorm, conv, dropout, fc, globalavgpool, maxpool, relu
from hubel.net.window import Size

down = maxpool(3, stride=2)
beside = avgpool(3, stride=1, pad=1)


def inception_v3(classes: int = 1000) -> Net:
    """Inception-v3, table 1: 23,834,568 parameters, 27,161,264 with its side head; 299x299x3.

    Source: section 6, table 1; section 4 for the side head, whose loss weighs 0.4 in Google's code. As
    torchvision ships it: batch normalisation with eps 0.001 after every convolution, in the side head too.
    """
    stem = _conv("conv1a", 32, 3, stride=2) >> _conv("conv2a", 32, 3) >> _conv("conv2b", 64, 3, pad=1)
    deeper = _conv("conv3b", 80, 1) >> _conv("conv4a", 192, 3)
    return (
        stem
        >> named("pool1", down)
        >> deeper
        >> named("pool2", down)
        >> named("mixed_5b", _figure5(32))
        >> named("mixed_5c", _figure5(64))
        >> named("mixed_5d", _figure5(64))
        >> named("mixed_6a", _smaller_35())
        >> named("mixed_6b", _figure6(128))
        >> named("mixed_6c", _figure6(160))
        >> named("mixed_6d", _figure6(160))
        >> named("mixed_6e", _figure6(192))
        >> side("aux", _head(classes), weight=0.4)
        >> named("mixed_7a", _smaller_17())
        >> named("mixed_7b", _figure7())
        >> named("mixed_7c", _figure7())
        >> globalavgpool
        >> dropout
        >> named("fc", fc(classes))
    )


def _figure5(pooled: int) -> Net:
    """Figure 5, 5x5 as two 3x3, beside a 5x5 as Google's code keeps it; on 35x35 places."""
    five = _conv("five1", 48, 1) >> _conv("five2", 64, 5, pad=2)
    double = _conv("double1", 64, 1) >> _conv("double2", 96, 3, pad=1) >> _conv("double3", 96, 3, pad=1)
    return _conv("one", 64, 1) | five | double | beside >> _conv("pool", pooled, 1)


def _smaller_35() -> Net:
    """Figure 10: strides and pooling side by side, from 35x35 to 17x17 places."""
    double = _conv("double1", 64, 1) >> _conv("double2", 96, 3, pad=1) >> _conv("double3", 96, 3, stride=2)
    return _conv("three", 384, 3, stride=2) | double | down


def _figure6(width: int) -> Net:
    """7x7 as 1x7 and 7x1, once and twice, on 17x17 places."""
    seven = _conv("seven1", width, 1) >> _row("seven2", width) >> _column("seven3", 192)
    double = _conv("double1", width, 1) >> _column("double2", width) >> _row("double3", width)
    double = double >> _column("double4", width) >> _row("double5", 192)
    return _conv("one", 192, 1) | seven | double | beside >> _conv("pool", 192, 1)


def _smaller_17() -> Net:
    """The same as figure 10, from 17x17 to 8x8 places."""
    three = _conv("three1", 192, 1) >> _conv("three2", 320, 3, stride=2)
    seven = _conv("seven1", 192, 1) >> _row("seven2", 192) >> _column("seven3", 192)
    return three | seven >> _conv("seven4", 192, 3, stride=2) | down


def _figure7() -> Net:
    """3x3 as 1x3 beside 3x1, on 8x8 places."""
    wide = _conv("three2a", 384, (1, 3), pad=(0, 1)) | _conv("three2b", 384, (3, 1), pad=(1, 0))
    wider = _conv("double3a", 384, (1, 3), pad=(0, 1)) | _conv("double3b", 384, (3, 1), pad=(1, 0))
    three = _conv("three1", 384, 1) >> wide
    double = _conv("double1", 448, 1) >> _conv("double2", 384, 3, pad=1) >> wider
    return _conv("one", 320, 1) | three | double | beside >> _conv("pool", 192, 1)


def _head(classes: int) -> Net:
    """The side head on 17x17 places. Source: figure 8."""
    convs = _conv("conv1", 128, 1) >> _conv("conv2", 768, 5)
    return avgpool(5, stride=3) >> convs >> globalavgpool >> named("fc", fc(classes))


def _row(name: str, filters: int) -> Net:
    return _conv(name, filters, (1, 7), pad=(0, 3))


def _column(name: str, filters: int) -> Net:
    return _conv(name, filters, (7, 1), pad=(3, 0))


def _conv(name: str, filters: int, size: Size, *, stride: int = 1, pad: Size = 0) -> Net:
    """A convolution, batch normalisation and ReLU under one name."""
    convolved = conv(filters, size, stride=stride, pad=pad, bias=False)
    return named(name, convolved >> batchnorm(eps=1e-3) >> relu)
