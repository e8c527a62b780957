"""GoogLeNet: Szegedy et al. 2014, "Going deeper with convolutions": Inception modules, no large FC layers."""

from __future__ import annotations

from hubel.net.algebra import Net, named, side
from hubel.net.names import (
    adaptiveavgpool,
    avgpool,
    batchnorm,
    conv,
    dropout,
    fc,
    globalavgpool,
    lrn,
    maxpool,
    relu,
)

TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Filters: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj. Source: table 1."""

down = maxpool(3, stride=2, ceil=True)
around = maxpool(3, stride=1, pad=1)


def googlenet(classes: int = 1000) -> Net:
    """GoogLeNet as published: 6,998,552 parameters, 13,378,280 with its side heads; 224x224x3.

    Source: table 1, figure 3; section 5 for the side heads on 4a and 4d, whose losses weigh 0.3. The figures
    of table 1 for conv1, for the parameters of 4c and 5a and for the operations of 5a do not follow from its
    filters. Deviations: pooling rounds up, as the sizes of table 1 require; the average pooling covers the
    whole map, 7x7 at 224x224.
    """
    return (
        _conv("conv1", 64, 7, stride=2)
        >> named("pool1", down)
        >> named("norm1", lrn)
        >> _conv("conv2_reduce", 64, 1)
        >> _conv("conv2", 192, 3)
        >> named("norm2", lrn)
        >> named("pool2", down)
        >> _inception("3a")
        >> _inception("3b")
        >> named("pool3", down)
        >> _inception("4a")
        >> side("aux1", _head(classes), weight=0.3)
        >> _inception("4b")
        >> _inception("4c")
        >> _inception("4d")
        >> side("aux2", _head(classes), weight=0.3)
        >> _inception("4e")
        >> named("pool4", down)
        >> _inception("5a")
        >> _inception("5b")
        >> named("pool5", globalavgpool)
        >> dropout(0.4)
        >> named("fc", fc(classes))
    )


def googlenet_bn(classes: int = 1000) -> Net:
    """GoogLeNet as torchvision ships it: 6,624,904 parameters, 13,004,888 with its side heads; 224x224x3.

    Source: torchvision.models.googlenet. Deviations from the paper, torchvision's: batch normalisation (eps
    0.001) after every convolution, and no biases there; 3x3 filters in the 5x5 branch, a known mistake that
    its weights depend on; no response normalisation; pool4 is 2x2; dropout 0.2 before fc; side heads that
    pool to 4x4 at any size.
    """
    return (
        _conv_bn("conv1", 64, 7, stride=2)
        >> named("pool1", down)
        >> _conv_bn("conv2_reduce", 64, 1)
        >> _conv_bn("conv2", 192, 3)
        >> named("pool2", down)
        >> _inception_bn("3a")
        >> _inception_bn("3b")
        >> named("pool3", down)
        >> _inception_bn("4a")
        >> side("aux1", _head_bn(classes), weight=0.3)
        >> _inception_bn("4b")
        >> _inception_bn("4c")
        >> _inception_bn("4d")
        >> side("aux2", _head_bn(classes), weight=0.3)
        >> _inception_bn("4e")
        >> named("pool4", maxpool(2, ceil=True))
        >> _inception_bn("5a")
        >> _inception_bn("5b")
        >> named("pool5", globalavgpool)
        >> dropout(0.2)
        >> named("fc", fc(classes))
    )


def _inception(name: str) -> Net:
    """The Inception module of figure 2(b), with the filters of its row in table 1."""
    ones, reduce3, threes, reduce5, fives, projection = TABLE_1[name]
    return named(
        f"inception_{name}",
        _conv("conv1x1", ones, 1)
        | _conv("reduce3x3", reduce3, 1) >> _conv("conv3x3", threes, 3)
        | _conv("reduce5x5", reduce5, 1) >> _conv("conv5x5", fives, 5)
        | named("pool", around) >> _conv("pool_proj", projection, 1),
    )


def _inception_bn(name: str) -> Net:
    """The Inception module with batch normalisation, and a second 3x3 branch in place of the paper's 5x5."""
    ones, reduce3, threes, reduce5, fives, projection = TABLE_1[name]
    return named(
        f"inception_{name}",
        _conv_bn("conv1x1", ones, 1)
        | _conv_bn("reduce3x3", reduce3, 1) >> _conv_bn("conv3x3", threes, 3)
        | _conv_bn("reduce3x3b", reduce5, 1) >> _conv_bn("conv3x3b", fives, 3)
        | named("pool", around) >> _conv_bn("pool_proj", projection, 1),
    )


def _head(classes: int) -> Net:
    """A side head of the paper. Source: section 5, the list after figure 3."""
    pool = named("pool", avgpool(5, stride=3))
    fc1 = named("fc1", fc(1024)) >> relu >> dropout(0.7)
    return pool >> _conv("conv", 128, 1) >> fc1 >> named("fc2", fc(classes))


def _head_bn(classes: int) -> Net:
    """A side head of torchvision."""
    pool = named("pool", adaptiveavgpool(4, 4))
    fc1 = named("fc1", fc(1024)) >> relu >> dropout(0.7)
    return pool >> _conv_bn("conv", 128, 1) >> fc1 >> named("fc2", fc(classes))


def _conv(name: str, filters: int, size: int, stride: int = 1) -> Net:
    """A convolution, padded so that only its stride changes the size, and ReLU."""
    return named(name, conv(filters, size, stride=stride, pad=size // 2)) >> relu


def _conv_bn(name: str, filters: int, size: int, stride: int = 1) -> Net:
    """The same with batch normalisation in between, under one name."""
    convolved = conv(filters, size, stride=stride, pad=size // 2, bias=False)
    return named(name, convolved >> batchnorm(eps=1e-3) >> relu)
