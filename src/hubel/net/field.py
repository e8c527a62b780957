"""Receptive fields: which pixels of the input a unit sees.

`spans` goes forwards and knows the first and the last pixel that each unit of each layer sees. The field in a
ledger's row and the box that `Ledger.field` returns are read off it. `box` also goes backwards, for the part
of a box that lies within the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hubel.errors import SizeError, nearest_or_few
from hubel.net.axes import GlobalAxis
from hubel.net.span import Number, Span
from hubel.net.trace import INPUT, Step
from hubel.net.volume import Volume
from hubel.net.window import Axis, Pair

Jump: TypeAlias = tuple[Number, Number]
"""Pixels between the fields of neighbouring units, (height, width); a fraction where it is an average."""


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of a layer's units, in pixels; each value is (height, width).

    `size` is the extent of a unit's field, and of the largest one where they differ. `jump` is the distance
    between the starts of neighbouring fields, on average where that differs: 0 behind a gate, whose units all
    see the whole image. `start` is the first pixel of the field of unit (0, 0), negative in padding.
    """

    size: Pair = (1, 1)
    jump: Jump = (1, 1)
    start: Pair = (0, 0)


@dataclass(frozen=True, slots=True)
class Box:
    """The pixels from `top` to `bottom` and from `left` to `right`, the last ones included.

    The box without pixels is `NOTHING`.
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> Pair:
        """Height and width in pixels."""
        return self.bottom - self.top + 1, self.right - self.left + 1

    def within(self, volume: Volume) -> Box:
        """Returns the part of the box that lies within a volume, without the padding around it."""
        top, left = max(0, self.top), max(0, self.left)
        bottom, right = min(volume.height - 1, self.bottom), min(volume.width - 1, self.right)
        return Box(top, left, bottom, right) if top <= bottom and left <= right else NOTHING

    def around(self, other: Box) -> Box:
        """Returns the smallest box that holds both."""
        if NOTHING in (self, other):
            return other if self == NOTHING else self
        return Box(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )


NOTHING = Box(0, 0, -1, -1)
"""The box of a unit that sees padding alone."""


@dataclass(frozen=True, slots=True)
class Spans:
    """The spans of a layer's units, down the rows and across the columns of `plane` (height, width)."""

    rows: Span
    columns: Span
    plane: Pair

    def box(self, row: int, column: int) -> Box:
        """Returns the pixels that a unit sees, padding included."""
        rows, columns = self.rows, self.columns
        return Box(rows.first(row), columns.first(column), rows.last(row), columns.last(column))

    def field(self) -> Field:
        """Returns the field of the layer's units."""
        axes = list(zip((self.rows, self.columns), self.plane, strict=True))
        size, jump = ([span.largest(units) for span, units in axes], [span.jump(n) for span, n in axes])
        start = [span.first(0) for span, _ in axes]
        return Field((size[0], size[1]), (jump[0], jump[1]), (start[0], start[1]))


def spans(steps: Sequence[Step]) -> dict[str, Spans]:
    """Returns the spans of every path, `INPUT` included."""
    known = {INPUT: Spans(Span(), Span(), steps[0].inputs[0].plane if steps else (1, 1))}
    for step in steps:
        seen = [_through(known[source], volume, step) for source, volume in _sources(step)]
        rows, columns = (Span.around(axis) for axis in zip(*seen, strict=True))
        known[step.path] = Spans(rows, columns, step.output.plane)
    return known


def fields(steps: Sequence[Step]) -> dict[str, Field]:
    """Returns the field of every path, `INPUT` included."""
    return {path: found.field() for path, found in spans(steps).items()}


def box(steps: Sequence[Step], path: str, row: int, column: int, *, clipped: bool = False) -> Box:
    """Returns the pixels that the unit at (`row`, `column`) of a path sees.

    The box runs from the first to the last pixel seen; where windows have gaps, by dilation or by a stride
    beyond their size, not every pixel between is read. It includes padding unless it is `clipped`. Clipping
    is done at every layer on the way back, so that pixels which rounding down left unused are not counted
    through the padding of a later layer; what is clipped is each window's interval, gaps included.

    Raises SizeError: there is no such path or no such unit.
    """
    ends = {step.path: step.output for step in steps}
    if path not in ends:
        raise SizeError(f"the network has no layer {path!r}{nearest_or_few(path, ends, 'layers')}")
    output = ends[path]
    if not (0 <= row < output.height and 0 <= column < output.width):
        raise SizeError(f"{path} is {output}: rows 0 to {output.height - 1}, columns 0 to {output.width - 1}")
    if not clipped:
        return spans(steps[: list(ends).index(path) + 1])[path].box(row, column)
    boxes = {path: Box(row, column, row, column)}
    for step in reversed(steps):
        units = boxes.pop(step.path, NOTHING)
        if units == NOTHING:
            continue
        for source, volume in _sources(step):
            rows, columns = _axes(step, volume)
            top, bottom = rows.reads(units.top, units.bottom, volume.height)
            left, right = columns.reads(units.left, units.right, volume.width)
            boxes[source] = Box(top, left, bottom, right).within(volume).around(boxes.get(source, NOTHING))
    return boxes.get(INPUT, NOTHING)


def _sources(step: Step) -> Iterator[tuple[str, Volume]]:
    return zip(step.sources, step.inputs, strict=True)


def _axes(step: Step, volume: Volume) -> Iterator[Axis]:
    """Yields the axes of a step's window over the source with this volume.

    A source with a single row, or column, for all of the first source's is broadcast, such as a gate.
    """
    axes = step.layer.window(step.inputs[0]).axes
    for axis, side, first in zip(axes, volume.plane, step.inputs[0].plane, strict=True):
        yield GlobalAxis.of(side) if side == 1 < first or isinstance(axis, GlobalAxis) else axis


def _through(source: Spans, volume: Volume, step: Step) -> tuple[Span, Span]:
    """Returns the spans of a step's outputs over one of its sources."""
    rows, columns = (
        span if axis == _SAME else span.through(axis)
        for span, axis in zip((source.rows, source.columns), _axes(step, volume), strict=True)
    )
    return rows, columns


_SAME = Axis()
"""The axis of a layer that treats each position by itself."""
