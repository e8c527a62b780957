"""RegNet: Radosavovic et al. 2020, "Designing network design spaces"; 224x224x3, any size.

A network is a row of the paper's tables: the blocks and the width of its four stages, and the width of the
groups of its 3x3 convolutions. RegNetY has squeeze and excitation, with a quarter of the block's input.
"""

from __future__ import annotations

from hubel.net.algebra import Net, named
from hubel.net.names import batchnorm, conv, fc, globalavgpool, identity, relu
from hubel.zoo.blocks import chain, squeeze

Row = tuple[tuple[int, int, int, int], tuple[int, int, int, int], int]

X = {
    "400MF": ((1, 2, 7, 12), (32, 64, 160, 384), 16),
    "1.6GF": ((2, 4, 10, 2), (72, 168, 408, 912), 24),
    "8.0GF": ((2, 5, 15, 1), (80, 240, 720, 1920), 120),
}
"""d, w and g of RegNetX: the blocks, the widths, the width of groups; as timm has them."""

Y = {
    "400MF": ((1, 3, 6, 6), (48, 104, 208, 440), 8),
    "1.6GF": ((2, 6, 17, 2), (48, 120, 336, 888), 24),
    "8.0GF": ((2, 4, 10, 1), (168, 448, 896, 2016), 56),
}
"""The same of RegNetY."""


def regnet_x_400mf(classes: int = 1000) -> Net:
    """RegNetX-400MF: 5,157,512 parameters."""
    return _regnet(X["400MF"], classes)


def regnet_x_1_6gf(classes: int = 1000) -> Net:
    """RegNetX-1.6GF: 9,190,136 parameters."""
    return _regnet(X["1.6GF"], classes)


def regnet_x_8gf(classes: int = 1000) -> Net:
    """RegNetX-8.0GF: 39,572,648 parameters."""
    return _regnet(X["8.0GF"], classes)


def regnet_y_400mf(classes: int = 1000) -> Net:
    """RegNetY-400MF: 4,344,144 parameters."""
    return _regnet(Y["400MF"], classes, squeezes=True)


def regnet_y_1_6gf(classes: int = 1000) -> Net:
    """RegNetY-1.6GF: 11,202,430 parameters."""
    return _regnet(Y["1.6GF"], classes, squeezes=True)


def regnet_y_8gf(classes: int = 1000) -> Net:
    """RegNetY-8.0GF: 39,180,068 parameters."""
    return _regnet(Y["8.0GF"], classes, squeezes=True)


def regnet_x_400mf_wide(classes: int = 1000) -> Net:
    """RegNetX-400MF as torchvision ships it: 5,495,976 parameters. 400 maps in stage 4, not 384."""
    return _regnet(((1, 2, 7, 12), (32, 64, 160, 400), 16), classes)


def regnet_y_8gf_wide(classes: int = 1000) -> Net:
    """RegNetY-8.0GF as torchvision ships it: 39,381,472 parameters. 224 maps in stage 1, not 168."""
    return _regnet(((2, 4, 10, 1), (224, 448, 896, 2016), 56), classes, squeezes=True)


def _regnet(row: Row, classes: int, *, squeezes: bool = False) -> Net:
    """The stem of 32 filters, four stages and the head. Source: section 3.2, figure 3."""
    depth = 32
    stages = [named("stem", conv(depth, 3, stride=2, pad=1, bias=False) >> batchnorm >> relu)]
    blocks, widths, group = row
    for number, (count, width) in enumerate(zip(blocks, widths, strict=True), 1):
        units = []
        for block in range(1, count + 1):
            units.append(
                named(f"block{block}", _block(depth, width, group, 2 if block == 1 else 1, squeezes=squeezes))
            )
            depth = width
        stages.append(named(f"stage{number}", chain(units)))
    return chain(stages) >> globalavgpool >> named("fc", fc(classes))


def _block(depth: int, width: int, group: int, stride: int, *, squeezes: bool) -> Net:
    """The X block, with `squeezes` the Y block. Source: figure 3, section 3.2; section 5 for Y."""
    groups = width // min(group, width)
    body: Net = named("a", conv(width, 1, bias=False) >> batchnorm >> relu)
    body = body >> named(
        "b", conv(width, 3, stride=stride, pad=1, groups=groups, bias=False) >> batchnorm >> relu
    )
    if squeezes:
        body = body >> squeeze(width, round(depth / 4))
    body = body >> named("c", conv(width, 1, bias=False) >> batchnorm)
    same = (depth, stride) == (width, 1)
    shortcut = identity if same else named("shortcut", conv(width, 1, stride=stride, bias=False) >> batchnorm)
    return body + shortcut >> relu
