"""SENet: Hu et al. 2017, "Squeeze-and-excitation networks"; 224x224x3, any size.

A network whose blocks scale each of their maps before the addition: figure 3, with reduction ratio r = 16.
"""

from __future__ import annotations

from functools import partial

from hubel.net.algebra import Net, named
from hubel.net.names import batchnorm, conv, dropout, fc, globalavgpool, identity, maxpool, relu
from hubel.zoo.blocks import chain, squeeze
from hubel.zoo.pages.resnet import imagenet, padded_pool, projected_once
from hubel.zoo.stage import stage

FILTERS, BLOCKS = (256, 512, 1024, 2048), (3, 4, 6, 3)

RATIO = 16
"""r, section 6.1."""

down = maxpool(3, stride=2, ceil=True)
"""Pooling of the authors' definitions for Caffe, which rounds up."""


def seresnet50(classes: int = 1000) -> Net:
    """SE-ResNet-50, table 1, stride in the first 1x1: 28,088,024 parameters.

    Source: the authors' SE-ResNet-50.prototxt of hujie-frank/SENet. timm calls it legacy_seresnet50.
    """
    return imagenet(partial(_block, early=True), FILTERS, BLOCKS, classes, pool=down)


def seresnet50_v1_5(classes: int = 1000) -> Net:
    """SE-ResNet-50 as timm ships it. Deviation: stride in the 3x3, so more MACs."""
    return imagenet(partial(_block, early=False), FILTERS, BLOCKS, classes)


def senet154(classes: int = 1000) -> Net:
    """SENet-154: 115,088,984 parameters; timm calls it legacy_senet154.

    Source: the authors' SENet-154.prototxt of hujie-frank/SENet: 64 groups and half as many maps in the first
    1x1 of a block, three 3x3 convolutions in place of the 7x7, 3x3 projections from conv3_x on, dropout.
    """
    return _senet154(down, classes)


def senet154_gluon(classes: int = 1000) -> Net:
    """SENet-154 as GluonCV trained it and timm ships it. Deviation: pooling pads, Caffe's rounds up."""
    return _senet154(padded_pool, classes)


def _senet154(pool: Net, classes: int) -> Net:
    """The stem, conv2_x to conv5_x of 3, 8, 36 and 3 blocks, and the head."""
    parts: list[Net] = [
        named("conv1", _conv(64, 3, 2) >> relu >> _conv(64, 3) >> relu >> _conv(128, 3) >> relu),
        named("pool1", pool),
    ]
    depth = 128
    for number, (filters, blocks) in enumerate(zip(FILTERS, (3, 8, 36, 3), strict=True), 2):
        first = _wide(depth, filters, 1 if number == 2 else 2)
        parts.append(stage(f"conv{number}_x", first, _wide(filters, filters, 1), blocks))
        depth = filters
    return chain(parts) >> globalavgpool >> dropout(0.2) >> named("fc", fc(classes))


def _wide(depth: int, filters: int, stride: int) -> Net:
    """SENet-154's block; its projection is 3x3 where the size changes."""
    body = _conv(filters // 2, 1) >> relu >> _conv(filters, 3, stride, groups=64) >> relu
    body = body >> _conv(filters, 1) >> squeeze(filters, filters // RATIO)
    projection = named("shortcut", _conv(filters, 1 if stride == 1 else 3, stride))
    return body + (identity if (depth, stride) == (filters, 1) else projection) >> relu


def _conv(filters: int, size: int, stride: int = 1, *, groups: int = 1) -> Net:
    return conv(filters, size, stride=stride, pad=size // 2, groups=groups, bias=False) >> batchnorm


def _block(depth: int, filters: int, stride: int, *, early: bool) -> Net:
    """A bottleneck with squeeze and excitation at its end; `early` is the stride in its first convolution."""
    first, second = (stride, 1) if early else (1, stride)
    down = conv(filters // 4, 1, stride=first, bias=False) >> batchnorm >> relu
    across = conv(filters // 4, 3, stride=second, pad=1, bias=False) >> batchnorm >> relu
    up = conv(filters, 1, bias=False) >> batchnorm >> squeeze(filters, filters // RATIO)
    return (down >> across >> up) + projected_once(depth, filters, stride) >> relu
