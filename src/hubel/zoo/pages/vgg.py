"""VGG: Simonyan and Zisserman 2014, "Very deep convolutional networks for large-scale image recognition".

The tables below are the columns of the paper's table 1, with one row per stage. Every stage ends in 2x2 max
pooling, and three fully connected layers follow. All take 224x224x3.

Deviation throughout: there is an average pooling to 7x7 before fc6, as in torchvision. It is the identity at
224x224 and allows other sizes, down to 32x32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import rshift
from typing import TypeAlias

from hubel.net.algebra import Net, named
from hubel.net.names import (
    adaptiveavgpool,
    batchnorm,
    conv,
    dropout,
    fc,
    globalavgpool,
    lrn,
    maxpool,
    relu,
)

Table: TypeAlias = tuple[tuple[Net, ...], ...]
Unit: TypeAlias = Callable[[str, Net], Net]
"""Makes the layers of an entry of the table from its place, such as `3_1`, and its convolution."""


def conv3(filters: int) -> Net:
    """The table's `conv3-64`."""
    return conv(filters, 3, pad=1)


def conv1(filters: int) -> Net:
    """The table's `conv1-256`."""
    return conv(filters, 1)


A: Table = (
    (conv3(64),),
    (conv3(128),),
    (conv3(256), conv3(256)),
    (conv3(512), conv3(512)),
    (conv3(512), conv3(512)),
)
B: Table = (
    (conv3(64), conv3(64)),
    (conv3(128), conv3(128)),
    (conv3(256), conv3(256)),
    (conv3(512), conv3(512)),
    (conv3(512), conv3(512)),
)
C: Table = (
    (conv3(64), conv3(64)),
    (conv3(128), conv3(128)),
    (conv3(256), conv3(256), conv1(256)),
    (conv3(512), conv3(512), conv1(512)),
    (conv3(512), conv3(512), conv1(512)),
)
D: Table = (
    (conv3(64), conv3(64)),
    (conv3(128), conv3(128)),
    (conv3(256), conv3(256), conv3(256)),
    (conv3(512), conv3(512), conv3(512)),
    (conv3(512), conv3(512), conv3(512)),
)
E: Table = (
    (conv3(64), conv3(64)),
    (conv3(128), conv3(128)),
    (conv3(256), conv3(256), conv3(256), conv3(256)),
    (conv3(512), conv3(512), conv3(512), conv3(512)),
    (conv3(512), conv3(512), conv3(512), conv3(512)),
)


def vgg11(classes: int = 1000) -> Net:
    """Column A, 11 layers with weights: 132,863,336 parameters."""
    return _stages(A, published) >> _classifier(classes)


def vgg11_lrn(classes: int = 1000) -> Net:
    """Column A-LRN: A with AlexNet's response normalisation after conv1_1."""
    first = published("1_1", conv3(64)) >> named("norm1", lrn) >> named("pool1", maxpool(2))
    return first >> _stages(A[1:], published, first=2) >> _classifier(classes)


def vgg13(classes: int = 1000) -> Net:
    """Column B, 13 layers with weights: 133,047,848 parameters."""
    return _stages(B, published) >> _classifier(classes)


def vgg16_1x1(classes: int = 1000) -> Net:
    """Column C, 16 layers with weights, three of them 1x1: 133,638,952 parameters."""
    return _stages(C, published) >> _classifier(classes)


def vgg16(classes: int = 1000) -> Net:
    """Column D, 16 layers with weights: 138,357,544 parameters."""
    return _stages(D, published) >> _classifier(classes)


def vgg19(classes: int = 1000) -> Net:
    """Column E, 19 layers with weights: 143,667,240 parameters."""
    return _stages(E, published) >> _classifier(classes)


def vgg11_bn(classes: int = 1000) -> Net:
    """Column A with batch normalisation after every convolution: 132,868,840 parameters.

    The networks with batch normalisation are not the paper's but torchvision's (torchvision.models.vgg); the
    convolutions keep their biases.
    """
    return _stages(A, normalised) >> _classifier(classes)


def vgg13_bn(classes: int = 1000) -> Net:
    """Column B with batch normalisation, as `vgg11_bn`: 133,053,736 parameters."""
    return _stages(B, normalised) >> _classifier(classes)


def vgg16_1x1_bn(classes: int = 1000) -> Net:
    """Column C with batch normalisation, as `vgg11_bn`; torchvision has no such network."""
    return _stages(C, normalised) >> _classifier(classes)


def vgg16_bn(classes: int = 1000) -> Net:
    """Column D with batch normalisation, as `vgg11_bn`: 138,365,992 parameters."""
    return _stages(D, normalised) >> _classifier(classes)


def vgg19_bn(classes: int = 1000) -> Net:
    """Column E with batch normalisation, as `vgg11_bn`: 143,678,248 parameters."""
    return _stages(E, normalised) >> _classifier(classes)


def vgg16_gap(classes: int = 1000) -> Net:
    """Column D with average pooling over 7x7 in place of fc6 and fc7: 15,227,688 parameters.

    Source: Stanford CS231n, lecture on CNN architectures, which shows that most parameters of VGG are in its
    fully connected layers. Takes any size of at least 32x32.
    """
    return _stages(D, published) >> globalavgpool >> named("fc8", fc(classes))


def vgg16_dense(classes: int = 1000) -> Net:
    """Column D for dense evaluation: fully connected layers as convolutions, averaged scores.

    The parameters are those of `vgg16`, reshaped. Takes any size of at least 224x224; on a larger one the
    scores are a map, whose mean is the result. Source: section 3.2.
    """
    fc6 = named("fc6", conv(4096, 7)) >> relu >> dropout
    fc7 = named("fc7", conv(4096, 1)) >> relu >> dropout
    return _stages(D, published) >> fc6 >> fc7 >> named("fc8", conv(classes, 1)) >> globalavgpool


def published(place: str, layer: Net) -> Net:
    """A convolution and ReLU, as in the paper."""
    return named(f"conv{place}", layer) >> relu


def normalised(place: str, layer: Net) -> Net:
    """A convolution, batch normalisation and ReLU."""
    return named(f"conv{place}", layer) >> named(f"batchnorm{place}", batchnorm) >> relu


def _stages(table: Table, unit: Unit, first: int = 1) -> Net:
    """The stages of a table, numbered from `first`, each with its pooling."""
    parts: list[Net] = []
    for stage, row in enumerate(table, first):
        parts += [unit(f"{stage}_{number}", layer) for number, layer in enumerate(row, 1)]
        parts.append(named(f"pool{stage}", maxpool(2)))
    return reduce(rshift, parts)


def _classifier(classes: int) -> Net:
    """The three fully connected layers, the same in every column."""
    fc6 = named("fc6", fc(4096)) >> relu >> dropout
    fc7 = named("fc7", fc(4096)) >> relu >> dropout
    return adaptiveavgpool(7, 7) >> fc6 >> fc7 >> named("fc8", fc(classes))
