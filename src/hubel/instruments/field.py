"""What a single unit sees of the image; a map from one branch of a concatenation sees only that branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hubel.instruments.subject import Subject
from hubel.instruments.unit import Unit
from hubel.net.field import Box, box
from hubel.net.layers import Add, BatchNorm, Concat, Dropout, Gelu, Identity, Relu, Sigmoid, Tanh
from hubel.net.sliding import AvgPool, MaxPool, Subsample
from hubel.net.trace import Step


def seen_by(subject: Subject, unit: Unit) -> Box:
    """Returns the pixels that a unit with its row and column sees; in a map of one branch, by that branch."""
    assert unit.channel is not None and unit.row is not None and unit.column is not None  # noqa: PT018
    steps = behind(subject.steps, unit.path, unit.channel)
    return box(steps, unit.path, unit.row, unit.column, clipped=True)


def behind(steps: Sequence[Step], path: str, channel: int) -> tuple[Step, ...]:
    """Returns the steps that one map of a layer depends on: a concatenation has only the map's own branch.

    This holds back to the layer that mixes maps: activations and pooling do not, a convolution does.
    """
    maps: dict[str, int | None] = {path: channel}
    kept = []
    for step in reversed(steps):
        here = maps.get(step.path)
        if here is not None and isinstance(step.layer, Concat):
            at = 0
            while here >= step.inputs[at].depth:
                here -= step.inputs[at].depth
                at += 1
            step = replace(step, sources=step.sources[at : at + 1], inputs=step.inputs[at : at + 1])  # noqa: PLW2901
        elif not isinstance(step.layer, _APART):
            here = None
        if step.path in maps:
            for source in step.sources:
                maps[source] = here if maps.get(source, here) == here else None
        kept.append(step)
    return tuple(reversed(kept))


_APART = (Concat, Add, Relu, Tanh, Sigmoid, Gelu, BatchNorm, Dropout, Identity, MaxPool, AvgPool, Subsample)
"""Layers that treat each map by itself."""
