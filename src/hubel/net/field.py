"""Receptive fields: which pixels a unit sees.

Forwards, as the size, the jump between neighbours and the start of the first unit's field, in
pixels; where branches meet, the smallest box that holds all of theirs. Backwards, as the exact
range of pixels behind one unit. `hubel.net.ledger` prints the first, `Ledger.field` answers with
the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from hubel.errors import SizeError, nearest
from hubel.net.foreign import UpsamplingAxis
from hubel.net.trace import INPUT, Step
from hubel.net.volume import Volume
from hubel.net.window import Axis, Pair, UnevenAxis

Jump: TypeAlias = tuple[int | Fraction, int | Fraction]
"""Pixels from unit to unit, (height, width); a fraction where a map has more units than pixels."""


@dataclass(frozen=True, slots=True)
class Field:
    """What the units of a volume see of the input, in pixels, each as (height, width).

    `size` is the field's extent, `jump` how far the fields of neighbours lie apart, `start` the
    first pixel of the field of unit (0, 0): negative where it reaches into padding.
    """

    size: Pair = (1, 1)
    jump: Jump = (1, 1)
    start: Pair = (0, 0)


@dataclass(frozen=True, slots=True)
class Box:
    """The pixels `top` to `bottom` and `left` to `right`, the last ones included.

    A box without pixels ends before it begins: `NOTHING`.
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
        """The part of the box that lies on a volume, the padding around it cut off."""
        top, left = max(0, self.top), max(0, self.left)
        bottom, right = min(volume.height - 1, self.bottom), min(volume.width - 1, self.right)
        return Box(top, left, bottom, right) if top <= bottom and left <= right else NOTHING

    def around(self, other: Box) -> Box:
        """The smallest box that holds both."""
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
    """The field of every path, the input's included.

    Behind pooling windows of uneven sizes, and where a map grows, the fields of neighbours differ: there
    `size` is the largest of them, and `jump` what most, or where a map grows all together, lie apart.
    """
    known = {INPUT: Field()}
    periods: dict[str, Pair] = {INPUT: (1, 1)}
    for at, step in enumerate(steps):
        seen = _union([_spread(known[source], volume, step) for source, volume in _sources(step)])
        before = [periods[source] for source in step.sources]
        periods[step.path] = _period(step, before)
        known[step.path] = _through(step, seen)
        if {periods[step.path], *before} != {(1, 1)}:
            known[step.path] = _largest(steps[: at + 1], known[step.path].jump, periods[step.path])
    return known


def box(steps: Sequence[Step], path: str, row: int, column: int, *, clipped: bool = False) -> Box:
    """The box of pixels the unit at (`row`, `column`) of a path sees.

    It goes on into the padding, unless `clipped`: then every layer on the way back is cut to what it
    has, so that rows which rounding down dropped are not seen through a later layer's padding.

    Raises SizeError: no such path, or no such unit.
    """
    ends = {step.path: step.output for step in steps}
    if path not in ends:
        raise SizeError(f"the network has no layer {path!r}{nearest(path, ends)}")
    output = ends[path]
    if not (0 <= row < output.height and 0 <= column < output.width):
        raise SizeError(f"{path} is {output}: rows 0 to {output.height - 1}, columns 0 to {output.width - 1}")
    boxes = {path: Box(row, column, row, column)}
    for step in reversed(steps):
        here = boxes.pop(step.path, None)
        if here is None:
            continue
        window = step.layer.window(step.inputs[0])
        top, bottom = window.rows.sees(here.top, here.bottom)
        left, right = window.columns.sees(here.left, here.right)
        there = Box(top, left, bottom, right) if here != NOTHING else NOTHING
        if clipped:
            there = there.within(step.inputs[0])
        for source, volume in _sources(step):
            part = _gathered(there, volume, step)
            boxes[source] = boxes[source].around(part) if source in boxes else part
    return boxes[INPUT]


def _through(step: Step, seen: Field) -> Field:
    """The field after one step, from the field of what it sees."""
    axes = zip(step.layer.window(step.inputs[0]).axes, seen.size, seen.jump, seen.start, strict=True)
    (high, down, top), (wide, right, left) = (
        (int(size + (axis.reach - 1) * jump), _apart(axis, jump), int(start - axis.pad * jump))
        for axis, size, jump, start in axes
    )
    return Field((high, wide), (down, right), (top, left))


def _apart(axis: Axis, jump: int | Fraction) -> int | Fraction:
    """The jump after an axis; whole where it can be."""
    apart = Fraction(jump * axis.stride, axis.factor if isinstance(axis, UpsamplingAxis) else 1)
    return apart.numerator if apart.denominator == 1 else apart


def _sources(step: Step) -> Iterator[tuple[str, Volume]]:
    return zip(step.sources, step.inputs, strict=True)


def _is_single(volume: Volume, step: Step) -> tuple[bool, bool]:
    """Whether a source has one row, one column for all of the first source's: a gate's."""
    rows, columns = (one == 1 < first for one, first in zip(volume.plane, step.inputs[0].plane, strict=True))
    return rows, columns


def _spread(field: Field, volume: Volume, step: Step) -> Field:
    """The field of a source as the step sees it: a single value is the same for all, so 0 apart."""
    rows, columns = _is_single(volume, step)
    return replace(field, jump=(0 if rows else field.jump[0], 0 if columns else field.jump[1]))


def _gathered(there: Box, volume: Volume, step: Step) -> Box:
    """The part of a box that lies in one source."""
    rows, columns = _is_single(volume, step)
    if there == NOTHING or not (rows or columns):
        return there
    top, bottom = (0, 0) if rows else (there.top, there.bottom)
    left, right = (0, 0) if columns else (there.left, there.right)
    return Box(top, left, bottom, right)


def _period(step: Step, sources: Sequence[Pair]) -> Pair:
    """After how many rows and columns the fields of a step's units repeat, some pixels on."""
    axes = zip(step.layer.window(step.inputs[0]).axes, zip(*sources, strict=True), strict=True)
    rows, columns = (_repeats(axis, math.lcm(*periods)) for axis, periods in axes)
    return rows, columns


def _repeats(axis: Axis, period: int) -> int:
    """After how many outputs of an axis, where its inputs repeat after `period`."""
    if isinstance(axis, UnevenAxis):
        return axis.outputs * (period // math.gcd(period, axis.inputs))
    if isinstance(axis, UpsamplingAxis):
        return axis.factor * period
    return period // math.gcd(period, axis.stride)


def _largest(steps: Sequence[Step], jump: Jump, period: Pair) -> Field:
    """The field of the last step, from the boxes of its units, by the diagonal: each axis is for itself."""
    path, output = steps[-1].path, steps[-1].output
    high, wide = min(output.height, period[0]), min(output.width, period[1])
    boxes = [box(steps, path, min(at, high - 1), min(at, wide - 1)) for at in range(max(high, wide))]
    tall, broad = zip(*(each.size for each in boxes), strict=True)
    return Field((max(tall), max(broad)), jump, (boxes[0].top, boxes[0].left))


def _union(branches: list[Field]) -> Field:
    """The field of units that see several branches at once."""
    if len(branches) == 1:
        return branches[0]
    (high, down, top), (wide, right, left) = (
        (
            max(field.start[axis] + field.size[axis] for field in branches)
            - min(field.start[axis] for field in branches),
            max(field.jump[axis] for field in branches),
            min(field.start[axis] for field in branches),
        )
        for axis in (0, 1)
    )
    return Field((high, wide), (down, right), (top, left))
