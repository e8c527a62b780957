"""The maps of an image: the output of every layer, and the pixels that each cell of a map sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hubel.errors import UsageError
from hubel.instruments.field import seen_by
from hubel.instruments.subject import Subject, activates, bare
from hubel.instruments.unit import Unit
from hubel.net.field import Box, Field, box, fields
from hubel.net.layer import Layer
from hubel.net.layers import Softmax
from hubel.net.trace import INPUT, Step
from hubel.net.volume import Volume

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LayerMaps:
    """The maps of one layer: `values`, float32, depth x height x width.

    `field` is the receptive field of its units, in pixels. `rows` and `columns`: int64, height x 2 and
    width x 2, the first and last pixel row that each row of cells sees, and columns likewise, without
    padding; for a cell that sees padding alone, the last is before the first. `peak` is the unit of the
    largest magnitude, and `peak_sees` the pixels it sees itself: fewer in a map of a smaller branch.
    """

    path: str
    layer: Layer
    volume: Volume
    values: Floats
    field: Field
    rows: Counts
    columns: Counts
    peak: Unit
    peak_sees: Box

    @property
    def signed(self) -> bool:
        """Whether any value is negative."""
        return bool(self.values.min(initial=0) < 0)

    @property
    def scale(self) -> float:
        """The largest magnitude in the layer, by which all its maps are normalised."""
        return float(np.abs(self.values).max(initial=0))

    @property
    def normalised(self) -> Floats:
        """The values divided by the scale: from -1 to 1, or from 0 to 1 if none is negative."""
        return self.values / self.scale if self.scale else self.values

    def box(self, row: int, column: int) -> Box:
        """Returns the pixels that the cells at a position see, those of all maps together."""
        (top, bottom), (left, right) = self.rows[row].tolist(), self.columns[column].tolist()
        return Box(top, left, bottom, right)

    def strongest(self, most: int) -> Counts:
        """Returns the numbers of the `most` maps with most energy, in their own order."""
        energy = np.square(self.values, dtype=np.float64).sum((1, 2))
        return np.sort(np.argsort(-energy, kind="stable")[:most])


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps of layers for one image, in the order of the steps.

    `scores`: float32, one per class; empty if the network ends in maps. `probabilities` are their softmax,
    or the scores themselves if the network ends in a softmax.
    """

    layers: tuple[LayerMaps, ...]
    scores: Floats
    probabilities: Floats


def maps(subject: Subject, image: Tensor, paths: Sequence[str]) -> Maps:
    """Returns the maps of some layers for one image as the network sees it: depth x height x width.

    Raises UsageError: no such layer, or not one image.
    """
    if image.dim() != 3:
        raise UsageError(f"one image is depth x height x width, not {' x '.join(map(str, image.shape))}")
    found: dict[str, Tensor] = {}

    def keep(path: str, value: Tensor) -> Tensor:
        found[path] = value.clone()
        return value

    out = subject.run(image[None], keep, set(paths))
    seen = fields(subject.steps)
    layers = tuple(
        _layer(subject, step, found[step.path], seen[step.path])
        for step in subject.steps
        if step.path in found
    )
    scores = out[0].detach().float().cpu() if out.dim() == 2 else torch.empty(0)
    ends = bool(subject.steps) and isinstance(bare(subject.last.layer), Softmax)
    probabilities = scores if ends else scores.softmax(0)
    return Maps(layers, scores.numpy(), probabilities.numpy())


def seen_paths(subject: Subject) -> tuple[str, ...]:
    """Returns the layers that have maps: all but parameters that nothing reads."""
    return tuple(step.path for step in subject.steps if subject.sees(step.path))


def passing(subject: Subject, most: int = 24) -> tuple[str, ...]:
    """Returns at most `most` layers that show a forward pass, in order.

    Layers that change nothing are left out first. While there are still too many, these follow:
    normalisation, layers inside branches, layers followed by an activation, and finally any, evenly.
    """
    parts = set(seen_paths(subject))
    steps = [step for step in subject.steps if step.path in parts]
    plain = {"dropout", "identity", "softmax", "unused"}
    inside = _inside(subject.steps)
    rules: tuple[Callable[[Step], bool], ...] = (
        lambda step: step.layer.kind in plain,
        lambda step: step.layer.kind in ("batchnorm", "lrn", "padshortcut"),
        lambda step: step.path in inside,
        lambda step: _activated(subject, step),
    )
    for rule in rules:
        left = [step for step in steps if not rule(step) or step.path == steps[-1].path]
        steps = left if left else steps
        if len(steps) <= most:
            return tuple(step.path for step in steps)
    chosen = np.unique(np.linspace(0, len(steps) - 1, most).round().astype(int))
    return tuple(steps[at].path for at in chosen)


def _inside(steps: Sequence[Step]) -> set[str]:
    """The paths inside a branch: another value still waits to be read when they are computed."""
    last = {source: at for at, step in enumerate(steps) for source in step.sources}
    inside = set()
    for at, step in enumerate(steps):
        waiting = {source for source, reader in last.items() if reader > at} - {step.path}
        made = {INPUT, *(each.path for each in steps[: at + 1])}
        if waiting & made:
            inside.add(step.path)
    return inside


def _activated(subject: Subject, step: Step) -> bool:
    """Whether the only reader of a step is an activation, or the normalisation before one."""
    readers = [each for each in subject.steps if step.path in each.sources]
    return len(readers) == 1 and (readers[0].layer.kind == "batchnorm" or activates(subject, readers[0]))


def _layer(subject: Subject, step: Step, value: Tensor, field: Field) -> LayerMaps:
    rows, columns = (_edges(subject.steps, step, axis) for axis in (0, 1))
    values = value[0].detach().float().cpu().numpy()
    channel, row, column = (int(at) for at in np.unravel_index(np.abs(values).argmax(), values.shape))
    peak = Unit(step.path, channel, row, column)
    sees = seen_by(subject, peak)
    return LayerMaps(step.path, bare(step.layer), step.output, values, field, rows, columns, peak, sees)


def _edges(steps: Sequence[Step], step: Step, axis: int) -> Counts:
    """The first and last pixel that each row (or column) of cells sees, in the middle of the other axis."""
    middle = step.output.plane[1 - axis] // 2
    edges = np.empty((step.output.plane[axis], 2), np.int64)
    for at in range(len(edges)):
        seen = box(steps, step.path, *((at, middle) if axis == 0 else (middle, at)), clipped=True)
        edges[at] = (seen.top, seen.bottom) if axis == 0 else (seen.left, seen.right)
    return edges
