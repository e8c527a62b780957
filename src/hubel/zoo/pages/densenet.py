"""DenseNet: Huang et al. 2016, "Densely connected convolutional networks"; 224x224x3, any size.

Every layer sees the maps of all layers before it in its block: `identity | layer` appends its own. Table 1
gives the blocks; k = 32 is the growth rate. Normalisation and ReLU come before each convolution.
"""

from __future__ import annotations

from hubel.net.algebra import Net, named
from hubel.net.names import avgpool, batchnorm, conv, fc, globalavgpool, identity, maxpool, relu
from hubel.zoo.blocks import chain

GROWTH = 32
"""k, the maps that each layer adds. Source: table 1."""

LAYER = (
    batchnorm
    >> relu
    >> conv(4 * GROWTH, 1, bias=False)
    >> batchnorm
    >> relu
    >> conv(GROWTH, 3, pad=1, bias=False)
)
"""A bottleneck layer, BN-ReLU-Conv(1x1)-BN-ReLU-Conv(3x3). Source: section 3, "Bottleneck layers"."""


def densenet121(classes: int = 1000) -> Net:
    """DenseNet-121, table 1: 7,978,856 parameters."""
    return _densenet((6, 12, 24, 16), classes)


def densenet169(classes: int = 1000) -> Net:
    """DenseNet-169, table 1: 14,149,480 parameters."""
    return _densenet((6, 12, 32, 32), classes)


def densenet201(classes: int = 1000) -> Net:
    """DenseNet-201, table 1: 20,013,928 parameters."""
    return _densenet((6, 12, 48, 32), classes)


def _densenet(layers: tuple[int, ...], classes: int) -> Net:
    """A column of table 1: the layers of each block; a transition halves the maps and the size."""
    stem = named("conv0", conv(64, 7, stride=2, pad=3, bias=False)) >> named("norm0", batchnorm) >> relu
    parts = [stem >> named("pool0", maxpool(3, stride=2, pad=1))]
    depth = 64
    for number, count in enumerate(layers, 1):
        parts.append(
            named(
                f"block{number}", chain(named(f"layer{at}", identity | LAYER) for at in range(1, count + 1))
            )
        )
        depth += count * GROWTH
        if number < len(layers):
            depth //= 2
            parts.append(
                named(f"transition{number}", batchnorm >> relu >> conv(depth, 1, bias=False) >> avgpool(2))
            )
    return chain(parts) >> named("norm5", batchnorm) >> relu >> globalavgpool >> named("fc", fc(classes))
