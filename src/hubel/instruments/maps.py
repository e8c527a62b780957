"""The activation maps of an image: what every layer answers, and the pixels behind each cell of its maps."""

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

    `field` is what its units see of the image, in pixels. `rows` and `columns`: int64, height x 2 and
    width x 2, the first and last pixel row a row of cells sees, and columns likewise, without padding;
    a cell that sees padding alone ends before it begins. `peak` is the unit of the largest magnitude, and
    `peak_sees` the pixels of the image it looks at itself, which a map from a smaller branch sees fewer of.
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
        """Whether there are values on both sides of zero, or all are below."""
        return bool(self.values.min(initial=0) < 0)

    @property
    def scale(self) -> float:
        """The largest magnitude, to which the maps of the layer are normalised: all by the same number."""
        return float(np.abs(self.values).max(initial=0))

    @property
    def normalised(self) -> Floats:
        """The values by their scale: -1 to 1, or 0 to 1 where none is negative."""
        return self.values / self.scale if self.scale else self.values

    def box(self, row: int, column: int) -> Box:
        """The pixels the cells at a place see, one in each map, all together."""
        (top, bottom), (left, right) = self.rows[row].tolist(), self.columns[column].tolist()
        return Box(top, left, bottom, right)

    def strongest(self, most: int) -> Counts:
        """The maps with the most energy, at most so many, in their own order."""
        energy = np.square(self.values, dtype=np.float64).sum((1, 2))
        return np.sort(np.argsort(-energy, kind="stable")[:most])


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps of layers for one image, in the order of the steps.

    `scores`: float32, one a class, empty where the network ends in maps. `probabilities` are theirs by
    softmax, or the scores themselves where the network ends in a softmax.
    """

    layers: tuple[LayerMaps, ...]
    scores: Floats
    probabilities: Floats


def maps(subject: Subject, image: Tensor, paths: Sequence[str]) -> Maps:
    """The maps of some layers for one image as the network sees it: depth x height x width.

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
    """The layers whose maps can be seen: all but parameters that nothing reads."""
    return tuple(step.path for step in subject.steps if subject.sees(step.path))


def passing(subject: Subject, most: int = 24) -> tuple[str, ...]:
    """The layers by which to tell a forward pass, at most so many, in order.

    What changes nothing is left out first; then, as long as there are too many: normalisation, layers
    inside branches, those whose activation follows at once, and at last as many as it takes, evenly.
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
    """The paths that stand in a branch: while they flow, something else is still to be read."""
    last = {source: at for at, step in enumerate(steps) for source in step.sources}
    inside = set()
    for at, step in enumerate(steps):
        waiting = {source for source, reader in last.items() if reader > at} - {step.path}
        made = {INPUT, *(each.path for each in steps[: at + 1])}
        if waiting & made:
            inside.add(step.path)
    return inside


def _activated(subject: Subject, step: Step) -> bool:
    """Whether an activation, or the normalisation before one, is all that reads a step."""
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
    """The first and last pixel that each row (or column) of cells sees, by way of the middle of the other."""
    middle = step.output.plane[1 - axis] // 2
    edges = np.empty((step.output.plane[axis], 2), np.int64)
    for at in range(len(edges)):
        seen = box(steps, step.path, *((at, middle) if axis == 0 else (middle, at)), clipped=True)
        edges[at] = (seen.top, seen.bottom) if axis == 0 else (seen.left, seen.right)
    return edges
