"""EfficientNet-Lite: Tan and Le 2019, "EfficientNet", in Google's form of 2020 for small devices."""

from __future__ import annotations

from hubel.net.algebra import Net, named
from hubel.net.names import batchnorm, conv, dropout, fc, globalavgpool, identity, relu6
from hubel.zoo.stage import stage

norm = batchnorm(eps=1e-3, momentum=0.01)


def efficientnet_lite0(classes: int = 1000) -> Net:
    """EfficientNet-Lite0: inverted residuals on depthwise convolutions; 4,652,008 parameters; 224x224x3.

    Source: Tan and Le 2019, table 1, for the stages and their names; the README of
    tensorflow/tpu/models/official/efficientnet/lite for the changes of Lite: no squeeze and excitation, and
    ReLU6 in place of swish. Deviation: no drop connect in training.
    """
    return (
        named("stage1", conv(32, 3, stride=2, pad="same", bias=False) >> norm >> relu6)
        >> _stage("stage2", 32, 16, size=3, stride=1, expansion=1, blocks=1)
        >> _stage("stage3", 16, 24, size=3, stride=2, expansion=6, blocks=2)
        >> _stage("stage4", 24, 40, size=5, stride=2, expansion=6, blocks=2)
        >> _stage("stage5", 40, 80, size=3, stride=2, expansion=6, blocks=3)
        >> _stage("stage6", 80, 112, size=5, stride=1, expansion=6, blocks=3)
        >> _stage("stage7", 112, 192, size=5, stride=2, expansion=6, blocks=4)
        >> _stage("stage8", 192, 320, size=3, stride=1, expansion=6, blocks=1)
        >> named("stage9", conv(1280, 1, bias=False) >> norm >> relu6 >> globalavgpool >> dropout(0.2))
        >> named("fc", fc(classes))
    )


def _stage(
    name: str, depth: int, filters: int, *, size: int, stride: int, expansion: int, blocks: int
) -> Net:
    """A row of table 1, such as `MBConv6, k5x5`: only its first block has a stride and changes the depth."""
    first = _mbconv(depth, filters, size, stride, expansion)
    return stage(name, first, _mbconv(filters, filters, size, 1, expansion), blocks)


def _mbconv(depth: int, filters: int, size: int, stride: int, expansion: int) -> Net:
    """An inverted residual: 1x1 up, depthwise, 1x1 down. Source: Sandler et al. 2018, section 3.3."""
    width = depth * expansion
    expand = named("expand", conv(width, 1, bias=False)) >> norm >> relu6
    depthwise = conv(width, size, stride=stride, pad="same", groups=width, bias=False)
    across = named("depthwise", depthwise) >> norm >> relu6
    project = named("project", conv(filters, 1, bias=False)) >> norm
    body = across >> project if expansion == 1 else expand >> across >> project
    return body + identity if (depth, 1) == (filters, stride) else body
