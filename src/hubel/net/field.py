"""Receptive fields: which pixels of the input a unit sees.

`fields` goes forwards and gives one field per layer: its size, the jump between neighbours, and where it
starts; where branches meet, it is the smallest that holds the fields of all branches. `box` goes backwards
and gives the exact pixels that one unit sees. The rows of a ledger hold the former, `Ledger.field` returns
the latter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from hubel.errors import SizeError, nearest_or_few
from hubel.net.foreign import UpsamplingAxis
from hubel.net.trace import INPUT, Step
from hubel.net.volume import Volume
from hubel.net.window import Axis, Pair, UnevenAxis

Jump: TypeAlias = tuple[int | Fraction, int | Fraction]
"""Pixels between neighbouring units, (height, width); a fraction where a map is larger than the input."""


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of a layer's units, in pixels; each value is (height, width).

    `size` is the extent of a unit's field, `jump` the distance between the fields of neighbouring units, and
    `start` the first pixel of the field of unit (0, 0), negative where that reaches into padding.
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


def fields(steps: Sequence[Step]) -> dict[str, Field]:
    """Returns the field of every path, `INPUT` included.

    After pooling windows of uneven sizes, and after upsampling, the fields of neighbours differ in size.
    There `size` is the largest, and `jump` is the usual distance; after upsampling, the average distance.
    """
    known = {INPUT: Field()}
    periods: dict[str, Pair] = {INPUT: (1, 1)}
    for number, step in enumerate(steps, 1):
        seen = _union([_spread(known[source], volume, step) for source, volume in _sources(step)])
        before = [periods[source] for source in step.sources]
        periods[step.path] = _period(step, before)
        known[step.path] = _through(step, seen)
        if {periods[step.path], *before} != {(1, 1)}:
            known[step.path] = _largest(steps[:number], known[step.path].jump, periods[step.path])
    return known


def box(steps: Sequence[Step], path: str, row: int, column: int, *, clipped: bool = False) -> Box:
    """Returns the pixels that the unit at (`row`, `column`) of a path sees.

    The box includes padding unless it is `clipped`. Clipping is done at every layer on the way back, so that
    pixels which rounding down left unused are not counted through the padding of a later layer.

    Raises SizeError: there is no such path or no such unit.
    """
    ends = {step.path: step.output for step in steps}
    if path not in ends:
        raise SizeError(f"the network has no layer {path!r}{nearest_or_few(path, ends, 'layers')}")
    output = ends[path]
    if not (0 <= row < output.height and 0 <= column < output.width):
        raise SizeError(f"{path} is {output}: rows 0 to {output.height - 1}, columns 0 to {output.width - 1}")
    boxes = {path: Box(row, column, row, column)}
    for step in reversed(steps):
        units = boxes.pop(step.path, None)
        if units is None:
            continue
        window = step.layer.window(step.inputs[0])
        top, bottom = window.rows.sees(units.top, units.bottom)
        left, right = window.columns.sees(units.left, units.right)
        seen = Box(top, left, bottom, right) if units != NOTHING else NOTHING
        if clipped:
            seen = seen.within(step.inputs[0])
        for source, volume in _sources(step):
            part = _gathered(seen, volume, step)
            boxes[source] = boxes[source].around(part) if source in boxes else part
    return boxes[INPUT]


def _through(step: Step, seen: Field) -> Field:
    """Returns the field after a step, from the field of its input."""
    axes = zip(step.layer.window(step.inputs[0]).axes, seen.size, seen.jump, seen.start, strict=True)
    rows, columns = (
        (int(size + (axis.reach - 1) * jump), _jump_after(axis, jump), int(start - axis.pad * jump))
        for axis, size, jump, start in axes
    )
    return Field(size=(rows[0], columns[0]), jump=(rows[1], columns[1]), start=(rows[2], columns[2]))


def _jump_after(axis: Axis, jump: int | Fraction) -> int | Fraction:
    """Returns the jump after an axis, as a whole number where it is one."""
    after = Fraction(jump * axis.stride, axis.factor if isinstance(axis, UpsamplingAxis) else 1)
    return after.numerator if after.denominator == 1 else after


def _sources(step: Step) -> Iterator[tuple[str, Volume]]:
    return zip(step.sources, step.inputs, strict=True)


def _is_single(volume: Volume, step: Step) -> tuple[bool, bool]:
    """Whether a source has a single row, or column, for all of the first source's: the scale of a gate."""
    sides = zip(volume.plane, step.inputs[0].plane, strict=True)
    rows, columns = (side == 1 < first for side, first in sides)
    return rows, columns


def _spread(field: Field, volume: Volume, step: Step) -> Field:
    """Returns the field of a source as the step sees it: a single value is broadcast, so its jump is 0."""
    rows, columns = _is_single(volume, step)
    return replace(field, jump=(0 if rows else field.jump[0], 0 if columns else field.jump[1]))


def _gathered(seen: Box, volume: Volume, step: Step) -> Box:
    """Returns the part of a box that lies in one source: a single value stands for all rows or columns."""
    rows, columns = _is_single(volume, step)
    if seen == NOTHING or not (rows or columns):
        return seen
    top, bottom = (0, 0) if rows else (seen.top, seen.bottom)
    left, right = (0, 0) if columns else (seen.left, seen.right)
    return Box(top, left, bottom, right)


def _period(step: Step, sources: Sequence[Pair]) -> Pair:
    """Returns after how many rows and columns the sizes of the fields of a step's units repeat."""
    axes = zip(step.layer.window(step.inputs[0]).axes, zip(*sources, strict=True), strict=True)
    rows, columns = (_repeats(axis, math.lcm(*periods)) for axis, periods in axes)
    return rows, columns


def _repeats(axis: Axis, period: int) -> int:
    """Returns after how many outputs of an axis they repeat, where those of its inputs do after `period`."""
    if isinstance(axis, UnevenAxis):
        return axis.outputs * (period // math.gcd(period, axis.inputs))
    if isinstance(axis, UpsamplingAxis):
        return axis.factor * period
    return period // math.gcd(period, axis.stride)


def _largest(steps: Sequence[Step], jump: Jump, period: Pair) -> Field:
    """Returns the field of the last step from the boxes of its units within one period.

    The units on the diagonal are enough, as the axes are independent.
    """
    path, output = steps[-1].path, steps[-1].output
    rows, columns = min(output.height, period[0]), min(output.width, period[1])
    boxes = [box(steps, path, min(n, rows - 1), min(n, columns - 1)) for n in range(max(rows, columns))]
    heights, widths = zip(*(each.size for each in boxes), strict=True)
    return Field((max(heights), max(widths)), jump, (boxes[0].top, boxes[0].left))


def _union(branches: list[Field]) -> Field:
    """Returns the smallest field that holds the fields of all branches."""
    if len(branches) == 1:
        return branches[0]
    size, jump, start = [], [], []
    for axis in (0, 1):
        first = min(field.start[axis] for field in branches)
        end = max(field.start[axis] + field.size[axis] for field in branches)
        size.append(end - first)
        jump.append(max(field.jump[axis] for field in branches))
        start.append(first)
    return Field((size[0], size[1]), (jump[0], jump[1]), (start[0], start[1]))
