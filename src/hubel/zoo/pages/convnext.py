"""ConvNeXt: Liu et al. 2022, "A ConvNet for the 2020s"; 224x224x3, any size from 32x32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubel.net.algebra import Net, named
from hubel.net.names import conv, droppath, fc, gelu, globalavgpool, identity, layernorm, layerscale
from hubel.zoo.blocks import chain

over_maps = layernorm(eps=1e-6)


def convnext_tiny(classes: int = 1000) -> Net:
    """ConvNeXt-T: C = (96, 192, 384, 768), B = (3, 3, 9, 3); 28,589,128 parameters.

    Source: section 3, the list of variants; figure 4 for the block; table 5 for stochastic depth of 0.1.
    """
    return _convnext((96, 192, 384, 768), (3, 3, 9, 3), 0.1, classes)


def convnext_small(classes: int = 1000) -> Net:
    """ConvNeXt-S: C = (96, 192, 384, 768), B = (3, 3, 27, 3), drop 0.4; 50,223,688 parameters."""
    return _convnext((96, 192, 384, 768), (3, 3, 27, 3), 0.4, classes)


def convnext_base(classes: int = 1000) -> Net:
    """ConvNeXt-B: C = (128, 256, 512, 1024), B = (3, 3, 27, 3), drop 0.5; 88,591,464 parameters."""
    return _convnext((128, 256, 512, 1024), (3, 3, 27, 3), 0.5, classes)


def _convnext(widths: Sequence[int], blocks: Sequence[int], drop: float, classes: int) -> Net:
    """Patches of 4x4, four stages, and the head; the rate of stochastic depth grows from 0 to `drop`."""
    rates = iter(drop * at / (sum(blocks) - 1) for at in range(sum(blocks)))
    stages = []
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
        patches = conv(width, 4, stride=4) >> over_maps
        down = (
            named("stem", patches)
            if stage == 1
            else named(f"down{stage}", over_maps >> conv(width, 2, stride=2))
        )
        stages.append(down >> named(f"stage{stage}", chain(_blocks(width, count, rates))))
    return chain(stages) >> globalavgpool >> named("norm", over_maps) >> named("fc", fc(classes))


def _blocks(width: int, count: int, rates: Iterator[float]) -> Iterator[Net]:
    """Figure 4: 7x7 depthwise, then 1x1 to four times the width and back, scaled per map."""
    for block in range(1, count + 1):
        across = named("depthwise", conv(width, 7, pad=3, groups=width)) >> over_maps
        mix = named("expand", conv(4 * width, 1)) >> gelu >> named("project", conv(width, 1)) >> layerscale
        rate = round(next(rates), 6)
        body = across >> mix >> droppath(rate) if rate else across >> mix
        yield named(f"block{block}", body + identity)
