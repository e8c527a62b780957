"""ShuffleNetV2: Ma et al. 2018, "Practical guidelines for efficient CNN design"; 224x224x3, any size.

A unit works on half of the maps, passes the others on, and shuffles both halves. Table 5 gives the widths.
"""

from __future__ import annotations

from hubel.net.algebra import Net, named
from hubel.net.names import batchnorm, conv, fc, globalavgpool, maxpool, part, relu, shuffle
from hubel.zoo.blocks import chain
from hubel.zoo.stage import stage

UNITS = (4, 8, 4)
"""Units of stages 2 to 4. Source: table 5."""


def shufflenet_v2_x0_5(classes: int = 1000) -> Net:
    """ShuffleNetV2 0.5x, table 5: 1,366,792 parameters."""
    return _shufflenet((48, 96, 192, 1024), classes)


def shufflenet_v2_x1_0(classes: int = 1000) -> Net:
    """ShuffleNetV2 1x, table 5: 2,278,604 parameters."""
    return _shufflenet((116, 232, 464, 1024), classes)


def shufflenet_v2_x1_5(classes: int = 1000) -> Net:
    """ShuffleNetV2 1.5x, table 5: 3,503,624 parameters."""
    return _shufflenet((176, 352, 704, 1024), classes)


def shufflenet_v2_x2_0(classes: int = 1000) -> Net:
    """ShuffleNetV2 2x, table 5: 7,393,996 parameters. 244 maps in stage 2, as torchvision has it."""
    return _shufflenet((244, 488, 976, 2048), classes)


def _shufflenet(widths: tuple[int, int, int, int], classes: int) -> Net:
    """A column of table 5: the maps of stages 2 to 4 and of conv5."""
    stem = named("conv1", _conv(24, 3, 2)) >> named("pool1", maxpool(3, stride=2, pad=1))
    depths = (24, *widths[:2])
    stages = [
        stage(f"stage{number}", _down(depth, width), _unit(width), blocks)
        for number, (depth, width, blocks) in enumerate(zip(depths, widths[:3], UNITS, strict=True), 2)
    ]
    last = named("conv5", _conv(widths[3], 1))
    return stem >> chain(stages) >> last >> globalavgpool >> named("fc", fc(classes))


def _unit(width: int) -> Net:
    """Figure 3 (c): half of the maps as they are, beside a branch on the other half."""
    return (part(1, 2) | part(2, 2) >> named("branch2", _branch(width // 2, 1))) >> shuffle(2)


def _down(depth: int, width: int) -> Net:
    """Figure 3 (d): both branches see all maps and halve the size."""
    short = _depthwise(depth, 2) >> _conv(width // 2, 1)
    return (named("branch1", short) | named("branch2", _branch(width // 2, 2))) >> shuffle(2)


def _branch(half: int, stride: int) -> Net:
    """1x1, 3x3 depthwise, 1x1."""
    return _conv(half, 1) >> _depthwise(half, stride) >> _conv(half, 1)


def _conv(filters: int, size: int, stride: int = 1) -> Net:
    return conv(filters, size, stride=stride, pad=size // 2, bias=False) >> batchnorm >> relu


def _depthwise(depth: int, stride: int) -> Net:
    """3x3 depthwise, without an activation."""
    return conv(depth, 3, stride=stride, pad=1, groups=depth, bias=False) >> batchnorm
