"""What a unit reads: its window on each source, and the weights of its layer, as arrays in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from torch import Tensor

from hubel.net import sliding
from hubel.net.trace import Step
from hubel.net.volume import Volume
from hubel.net.window import Axis

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[np.int64]
    Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a unit reads from one source: its window on the output of the layer at the path `source`.

    `maps`, `rows`, `columns`: int64, the positions of the values in the source's `volume`, counted from 0;
    a row or column outside the volume is padding. `values`: float64, maps x rows x columns, with padding as
    the layer reads it: 0, or -inf for max pooling. `weights` and `products`: the same shape; None for a
    layer without weights.
    """

    source: str
    volume: Volume
    maps: Counts
    rows: Counts
    columns: Counts
    values: Floats
    weights: Floats | None = None
    products: Floats | None = None

    @property
    def inside(self) -> Truths:
        """Which positions are not padding: rows x columns."""
        high, wide = self.volume.plane
        rows, columns = (self.rows >= 0) & (self.rows < high), (self.columns >= 0) & (self.columns < wide)
        return rows[:, None] & columns[None, :]

    def place(self, index: int) -> tuple[int, int, int]:
        """Returns the map, row and column of a value in the source, by its index in flattened `values`."""
        at = np.unravel_index(index, self.values.shape)
        return int(self.maps[at[0]]), int(self.rows[at[1]]), int(self.columns[at[2]])


@dataclass(frozen=True, slots=True)
class Sight:
    """A layer's inputs for one image, and its weights, as one of its units uses them.

    `works_with` are the layer's tensors by PyTorch's names; `inputs`: float64, depth x height x width each.
    """

    step: Step
    layer: Any
    works_with: Mapping[str, Any]
    inputs: tuple[Floats, ...]
    channel: int
    row: int
    column: int

    @property
    def place(self) -> tuple[int, int]:
        """The unit's row and column."""
        return self.row, self.column

    def numbers(self, name: str) -> Floats | None:
        """Returns the layer's tensor of this name as an array, or None."""
        value = self.works_with.get(name)
        return array(value) if isinstance(value, Tensor) else None

    def own(self, name: str, otherwise: float) -> float:
        """Returns the value for the unit's map in the tensor of this name, or `otherwise`."""
        values = self.numbers(name)
        return otherwise if values is None else float(values[self.channel])

    def window(self, maps: Counts, *, fill: float = 0.0) -> Taken:
        """Returns the unit's window on some maps of the first input, with `fill` in the padding."""
        seen = self.step.inputs[0]
        window = self.layer.window(seen)
        rows, columns = _line(window.rows, self.row), _line(window.columns, self.column)
        if isinstance(self.layer, (sliding.MaxPool, sliding.AvgPool)):  # a last window ends with the padding
            rows = rows[rows < seen.height + window.rows.pad + window.rows.more]
            columns = columns[columns < seen.width + window.columns.pad + window.columns.more]
        rows = _repeated(window.rows, rows, seen.height)
        columns = _repeated(window.columns, columns, seen.width)
        taken = Taken(self.step.sources[0], seen, maps, rows, columns, np.empty(0))
        inside = taken.inside
        near = np.ix_(maps, rows.clip(0, seen.height - 1), columns.clip(0, seen.width - 1))
        return replace(taken, values=np.where(inside, self.inputs[0][near], fill))

    def at(self, maps: Counts, rows: Counts, columns: Counts, source: int = 0) -> Taken:
        """Returns the values of some maps of one source at some rows and columns."""
        step = self.step
        values = self.inputs[source][np.ix_(maps, rows, columns)]
        return Taken(step.sources[source], step.inputs[source], maps, rows, columns, values)

    def whole(self, maps: Counts) -> Taken:
        """Returns some whole maps of the first input."""
        high, wide = self.step.inputs[0].plane
        return self.at(maps, np.arange(high), np.arange(wide))

    def here(self, source: int = 0, channel: int | None = None) -> Taken:
        """Returns the value of one source at the unit's own position."""
        return self.depth(np.array([self.channel if channel is None else channel]), source)

    def depth(self, maps: Counts, source: int = 0) -> Taken:
        """Returns the values of some maps of one source at the unit's own position."""
        rows, columns = np.array([self.row]), np.array([self.column])
        values = self.inputs[source][maps, self.row, self.column][:, None, None]
        step = self.step
        return Taken(step.sources[source], step.inputs[source], maps, rows, columns, values)


Found: TypeAlias = tuple[tuple[Taken, ...], dict[str, float], float]


def _line(axis: Axis, place: int) -> Counts:
    """The rows or columns that the output at a position reads, without those that dilation skips."""
    first, last = axis.sees(place, place)
    return np.arange(first, last + 1, axis.dilation)


def _repeated(axis: Axis, places: Counts, side: int) -> Counts:
    """The rows or columns in place of those beyond the edge, where padding repeats the map."""
    near: Counts = np.abs(places)
    if axis.mode == "reflect":
        return np.minimum(near, 2 * (side - 1) - near)
    return places.clip(0, side - 1) if axis.mode == "replicate" else places


def array(value: Tensor) -> Any:
    """Returns a tensor as an array; floating-point values become float64."""
    value = value.detach().cpu()
    return (value.double() if value.is_floating_point() else value).numpy()
