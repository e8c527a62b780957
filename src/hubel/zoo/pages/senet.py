"""SE-ResNet: Hu et al. 2017, "Squeeze-and-excitation networks"; 224x224x3, any size.

A ResNet whose blocks scale each of their maps before the addition: figure 3, with reduction ratio r = 16.
"""

from __future__ import annotations

from functools import partial

from hubel.net.algebra import Net
from hubel.net.names import batchnorm, conv, relu
from hubel.zoo.blocks import squeeze
from hubel.zoo.pages.resnet import imagenet, projected_once

FILTERS, BLOCKS = (256, 512, 1024, 2048), (3, 4, 6, 3)

RATIO = 16
"""r, section 6.1."""


def seresnet50(classes: int = 1000) -> Net:
    """SE-ResNet-50, table 1, stride in the first 1x1: 28,088,024 parameters; else as `resnet50`."""
    return imagenet(partial(_block, early=True), FILTERS, BLOCKS, classes)


def seresnet50_v1_5(classes: int = 1000) -> Net:
    """SE-ResNet-50 as timm ships it. Deviation: stride in the 3x3, so more MACs."""
    return imagenet(partial(_block, early=False), FILTERS, BLOCKS, classes)


def _block(depth: int, filters: int, stride: int, *, early: bool) -> Net:
    """A bottleneck with squeeze and excitation at its end; `early` is the stride in its first convolution."""
    first, second = (stride, 1) if early else (1, stride)
    down = conv(filters // 4, 1, stride=first, bias=False) >> batchnorm >> relu
    across = conv(filters // 4, 3, stride=second, pad=1, bias=False) >> batchnorm >> relu
    up = conv(filters, 1, bias=False) >> batchnorm >> squeeze(filters, filters // RATIO)
    return (down >> across >> up) + projected_once(depth, filters, stride) >> relu
