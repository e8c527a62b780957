"""What a single unit sees of the image; a map from one branch of a concatenation sees only that branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hubel.instruments.origins import origins
from hubel.instruments.subject import Subject
from hubel.instruments.unit import Unit
from hubel.net.field import Box, box
from hubel.net.layers import Concat
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
        made_from = None if here is None else origins(step, here)
        if isinstance(step.layer, Concat) and made_from:
            at = made_from[0][0]
            step = replace(step, sources=step.sources[at : at + 1], inputs=step.inputs[at : at + 1])  # noqa: PLW2901
        if step.path in maps:
            before = [None] * len(step.sources) if made_from is None else [each for _, each in made_from]
            for source, channel_there in zip(step.sources, before, strict=False):
                same = maps.get(source, channel_there) == channel_there
                maps[source] = channel_there if same else None
        kept.append(step)
    return tuple(reversed(kept))
