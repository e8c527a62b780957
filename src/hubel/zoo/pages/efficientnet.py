"""EfficientNet: Tan and Le 2019, "EfficientNet: rethinking model scaling"; and its Lite form of 2020.

B0 is table 1 of the paper. B1 to B4 are wider and deeper by the factors of Google's code, and see larger
images; they take any size. Lite is Google's form for small devices; its factors and the sizes of its images
are those of `efficientnet_lite_builder.py` in tensorflow/tpu. timm tests Lite3 and Lite4 at 300 and 380.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hubel.net.algebra import Net, named
from hubel.net.names import batchnorm, conv, dropout, droppath, fc, globalavgpool, relu6, silu
from hubel.net.window import Pad
from hubel.zoo.blocks import chain, divisible, inverted_residual, squeeze
from hubel.zoo.stage import stage

MBCONVS = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Stages 2 to 8: expansion of MBConv, kernel, stride, channels, layers. Source: table 1."""


@dataclass(frozen=True, slots=True)
class Family:
    """What B and Lite differ in, and what Google's code and PyTorch's libraries do.

    `squeezes`: blocks have squeeze and excitation. `whole`: the first and the last stage are scaled too.
    `drop` is the rate of stochastic depth at the last block. `same`: zeros as TensorFlow has them, else the
    same on both sides.
    """

    norm: Net
    activation: Net
    squeezes: bool
    whole: bool
    drop: float
    same: bool

    def pad(self, size: int) -> Pad:
        """Zeros around a map."""
        return "same" if self.same else size // 2


norm_tf = batchnorm(eps=1e-3, momentum=0.01)
"""Of Google's code."""

BASE = Family(batchnorm, silu, squeezes=True, whole=True, drop=0.2, same=False)
BASE_TF = replace(BASE, norm=norm_tf, same=True)
LITE = Family(norm_tf, relu6, squeezes=False, whole=False, drop=0, same=True)
LITE_TIMM = replace(LITE, norm=batchnorm, same=False)


def efficientnet_b0(classes: int = 1000) -> Net:
    """EfficientNet-B0, table 1: 5,288,548 parameters; 224x224x3.

    Deviations from Google's code, torchvision's and timm's: zeros on both sides of a map, and the usual eps
    of batch normalisation. The rate of stochastic depth grows from block to block, to 0.2.
    """
    return _efficientnet(BASE, 1.0, 1.0, 0.2, classes)


def efficientnet_b1(classes: int = 1000) -> Net:
    """EfficientNet-B1, 1.1 times as deep: 7,794,184 parameters; 240x240x3."""
    return _efficientnet(BASE, 1.0, 1.1, 0.2, classes)


def efficientnet_b2(classes: int = 1000) -> Net:
    """EfficientNet-B2, 1.1 times as wide and 1.2 as deep: 9,109,994 parameters; 260x260x3."""
    return _efficientnet(BASE, 1.1, 1.2, 0.3, classes)


def efficientnet_b3(classes: int = 1000) -> Net:
    """EfficientNet-B3, 1.2 times as wide and 1.4 as deep: 12,233,232 parameters; 300x300x3."""
    return _efficientnet(BASE, 1.2, 1.4, 0.3, classes)


def efficientnet_b4(classes: int = 1000) -> Net:
    """EfficientNet-B4, 1.4 times as wide and 1.8 as deep: 19,341,616 parameters; 380x380x3."""
    return _efficientnet(BASE, 1.4, 1.8, 0.4, classes)


def efficientnet_b0_tf(classes: int = 1000) -> Net:
    """EfficientNet-B0 as Google's code has it: TensorFlow's zeros around maps, eps 0.001; 224x224x3.

    Else as `efficientnet_b0`. timm calls it tf_efficientnet_b0.
    """
    return _efficientnet(BASE_TF, 1.0, 1.0, 0.2, classes)


def efficientnet_b1_tf(classes: int = 1000) -> Net:
    """EfficientNet-B1 as Google's code has it; else as `efficientnet_b1`; 240x240x3."""
    return _efficientnet(BASE_TF, 1.0, 1.1, 0.2, classes)


def efficientnet_b2_tf(classes: int = 1000) -> Net:
    """EfficientNet-B2 as Google's code has it; else as `efficientnet_b2`; 260x260x3."""
    return _efficientnet(BASE_TF, 1.1, 1.2, 0.3, classes)


def efficientnet_b3_tf(classes: int = 1000) -> Net:
    """EfficientNet-B3 as Google's code has it; else as `efficientnet_b3`; 300x300x3."""
    return _efficientnet(BASE_TF, 1.2, 1.4, 0.3, classes)


def efficientnet_b4_tf(classes: int = 1000) -> Net:
    """EfficientNet-B4 as Google's code has it; else as `efficientnet_b4`; 380x380x3."""
    return _efficientnet(BASE_TF, 1.4, 1.8, 0.4, classes)


def efficientnet_lite0(classes: int = 1000) -> Net:
    """EfficientNet-Lite0: inverted residuals on depthwise convolutions; 4,652,008 parameters; 224x224x3.

    Source: Tan and Le 2019, table 1, for the stages and their names; the README of
    tensorflow/tpu/models/official/efficientnet/lite for the changes of Lite: no squeeze and excitation,
    ReLU6 in place of swish, and a first and last stage that are not scaled. Deviation: no drop connect in
    training.
    """
    return _efficientnet(LITE, 1.0, 1.0, 0.2, classes)


def efficientnet_lite0_timm(classes: int = 1000) -> Net:
    """EfficientNet-Lite0 as timm trained it: zeros on both sides of a map, and the usual eps; 224x224x3."""
    return _efficientnet(LITE_TIMM, 1.0, 1.0, 0.2, classes)


def efficientnet_lite1(classes: int = 1000) -> Net:
    """EfficientNet-Lite1, 1.1 times as deep as Lite0: 5,416,680 parameters; 240x240x3."""
    return _efficientnet(LITE, 1.0, 1.1, 0.2, classes)


def efficientnet_lite2(classes: int = 1000) -> Net:
    """EfficientNet-Lite2, 1.1 times as wide and 1.2 as deep as Lite0: 6,092,072 parameters; 260x260x3."""
    return _efficientnet(LITE, 1.1, 1.2, 0.3, classes)


def efficientnet_lite3(classes: int = 1000) -> Net:
    """EfficientNet-Lite3, 1.2 times as wide and 1.4 as deep as Lite0: 8,197,096 parameters; 280x280x3."""
    return _efficientnet(LITE, 1.2, 1.4, 0.3, classes)


def efficientnet_lite4(classes: int = 1000) -> Net:
    """EfficientNet-Lite4, 1.4 times as wide and 1.8 as deep as Lite0: 13,006,568 parameters; 300x300x3."""
    return _efficientnet(LITE, 1.4, 1.8, 0.3, classes)


def _efficientnet(family: Family, wider: float, deeper: float, dropped: float, classes: int) -> Net:
    """Table 1, wider and deeper by these factors; `dropped` is the share of features dropout drops."""
    norm, activation = family.norm, family.activation
    first, last = ((divisible(each * wider) if family.whole else each) for each in (32, 1280))
    stem = conv(first, 3, stride=2, pad=family.pad(3), bias=False) >> norm >> activation
    features = conv(last, 1, bias=False) >> norm >> activation >> globalavgpool >> dropout(dropped)
    stages = chain(_stages(family, first, wider, deeper))
    return named("stage1", stem) >> stages >> named("stage9", features) >> named("fc", fc(classes))


def layers(deeper: float, *, whole: bool = True) -> list[int]:
    """Returns the layers of each row of table 1; the first and last rows are scaled if it is `whole`."""
    ends = (0, len(MBCONVS) - 1)
    scaled = [math.ceil(row[4] * deeper) for row in MBCONVS]
    return [row[4] if at in ends and not whole else scaled[at] for at, row in enumerate(MBCONVS)]


def _stages(family: Family, depth: int, wider: float, deeper: float) -> Iterator[Net]:
    """Stages 2 to 8; the rate of stochastic depth grows evenly over all blocks."""
    counts = layers(deeper, whole=family.whole)
    rates = iter(round(family.drop * at / sum(counts), 6) for at in range(sum(counts)))
    rows = zip(counts, MBCONVS, strict=True)
    for number, (count, (expansion, size, stride, channels, _)) in enumerate(rows, 2):
        filters = divisible(channels * wider)
        shapes = [(depth, stride), *[(filters, 1)] * (count - 1)]
        blocks = []
        for (seen, step), rate in zip(shapes, [next(rates) for _ in shapes], strict=True):
            body = _mbconv(family, seen, filters, size, expansion, step)
            body = body >> droppath(rate) if rate and (seen, step) == (filters, 1) else body
            blocks.append(inverted_residual(body, seen, filters, step))
        yield _blocks(f"stage{number}", blocks)
        depth = filters


def _blocks(name: str, blocks: list[Net]) -> Net:
    """A stage; the short form where its blocks after the first are alike."""
    if len(set(map(repr, blocks[1:]))) <= 1:
        return stage(name, blocks[0], blocks[-1], len(blocks))
    return named(name, chain(named(f"block{at}", block) for at, block in enumerate(blocks, 1)))


def _mbconv(  # noqa: PLR0917 - a row of the table
    family: Family, depth: int, filters: int, size: int, expansion: int, stride: int
) -> Net:
    """The body of an inverted residual: 1x1 up, depthwise, 1x1 down. Source: Sandler et al. 2018."""
    width, norm, activation = divisible(depth * expansion), family.norm, family.activation
    across = conv(width, size, stride=stride, pad=family.pad(size), groups=width, bias=False)
    body = named("depthwise", across) >> norm >> activation
    if expansion > 1:
        body = named("expand", conv(width, 1, bias=False)) >> norm >> activation >> body
    if family.squeezes:
        body = body >> squeeze(width, depth // 4, activation)
    return body >> named("project", conv(filters, 1, bias=False)) >> norm
