"""Which maps a map is made from, where a layer does not mix maps."""

from __future__ import annotations

from typing import TypeAlias

from hubel.instruments.subject import bare
from hubel.net.growing import Upsample
from hubel.net.layer import Elementwise
from hubel.net.layers import AdaptiveAvgPool, Add, Concat, GlobalAvgPool, Multiply, Part, Shuffle
from hubel.net.sliding import AvgPool, MaxPool, PadShortcut, Subsample
from hubel.net.trace import Step

Origin: TypeAlias = tuple[int, int]
"""The number of a source of a step, and the number of a map there."""

_APART = (Add, Elementwise, MaxPool, AvgPool, Subsample, GlobalAvgPool, AdaptiveAvgPool, Upsample)
"""Layers that make each map from the map of the same number."""


def origins(step: Step, channel: int) -> tuple[Origin, ...] | None:
    """Returns the maps that a map of a step is made from: none for a map of zeros.

    Returns None if the layer mixes maps. Of a gate, the volume comes first, then its factors.
    """
    layer, depth = bare(step.layer), step.inputs[0].depth
    match layer:
        case Concat():
            return (_of_branch(step, channel),)
        case Part():
            return ((0, layer.maps(depth)[channel]),)
        case Shuffle():
            return ((0, layer.source(channel, depth)),)
        case PadShortcut():
            return ((0, channel),) if channel < depth else ()
        case Multiply():
            return (0, channel), (1, channel if step.inputs[1].depth > 1 else 0)
    return tuple((at, channel) for at in range(len(step.sources))) if isinstance(layer, _APART) else None


def _of_branch(step: Step, channel: int) -> Origin:
    """The branch of a concatenation that a map comes from, and the map's number there."""
    at = 0
    while channel >= step.inputs[at].depth:
        channel -= step.inputs[at].depth
        at += 1
    return at, channel
