"""ResNeXt and Wide ResNet: ResNets whose 3x3 convolutions have groups, or are wider; 224x224x3, any size.

Xie et al. 2016, "Aggregated residual transformations for deep neural networks"; Zagoruyko and Komodakis 2016,
"Wide residual networks".
Deviations throughout: those of `resnet50_v1_5`.
"""

from __future__ import annotations

from functools import partial

from hubel.net.algebra import Net
from hubel.net.names import batchnorm, conv, relu
from hubel.zoo.pages.resnet import Block, imagenet, projected_once

FILTERS = (256, 512, 1024, 2048)
OF_50, OF_101 = (3, 4, 6, 3), (3, 4, 23, 3)


def resnext50_32x4d(classes: int = 1000) -> Net:
    """ResNeXt-50, 32 groups of 4 maps in conv2_x: 25,028,904 parameters. Source: Xie et al., table 1."""
    return imagenet(_grouped(4), FILTERS, OF_50, classes)


def resnext101_32x8d(classes: int = 1000) -> Net:
    """ResNeXt-101, 32 groups of 8 maps in conv2_x: 88,791,336 parameters. Source: Xie et al., section 5."""
    return imagenet(_grouped(8), FILTERS, OF_101, classes)


def wide_resnet50_2(classes: int = 1000) -> Net:
    """ResNet-50 with 3x3 convolutions twice as wide: 68,883,240 parameters.

    Source: Zagoruyko and Komodakis, table 8, WRN-50-2-bottleneck.
    """
    return imagenet(partial(_block, width=2, groups=1), FILTERS, OF_50, classes)


def wide_resnet101_2(classes: int = 1000) -> Net:
    """ResNet-101 with 3x3 convolutions twice as wide: 126,886,696 parameters, as torchvision has it."""
    return imagenet(partial(_block, width=2, groups=1), FILTERS, OF_101, classes)


def _grouped(maps: int) -> Block:
    """32 groups, each of so many maps where ResNet-50's bottleneck has 64 maps in all."""
    return partial(_block, width=32 * maps // 64, groups=32)


def _block(depth: int, filters: int, stride: int, *, width: int, groups: int) -> Net:
    """A bottleneck `width` times as wide as ResNet's. Source: Xie et al., figure 3 (c)."""
    inner = width * filters // 4
    down = conv(inner, 1, bias=False) >> batchnorm >> relu
    across = conv(inner, 3, stride=stride, pad=1, groups=groups, bias=False) >> batchnorm >> relu
    up = conv(filters, 1, bias=False) >> batchnorm
    return (down >> across >> up) + projected_once(depth, filters, stride) >> relu
