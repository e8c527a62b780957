"""Windows: the arithmetic of sliding a window over a volume.

A window of size F and stride S over N values, with P zeros of padding on each side, has (N - F + 2P)/S + 1
positions. The geometry of a network follows from its windows: the output sizes, what is unused where the
division leaves a remainder, and which inputs a range of outputs sees. The far side may have another number of
zeros than the near one: TensorFlow's "SAME" padding has one more there where the number of zeros is odd.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias

from hubel.errors import NetworkError
from hubel.net.volume import LARGEST, Volume, ceiling

Pair: TypeAlias = tuple[int, int]
Size: TypeAlias = int | Pair
"""One number for both axes, or (height, width)."""

Sides: TypeAlias = tuple[int, int, int, int]
"""Numbers at the top, bottom, left and right."""

Pad: TypeAlias = Size | Sides | Literal["same"]
"""Zeros on each side, on the four sides, or as many as keep the size: TensorFlow's "SAME"."""

Padding: TypeAlias = Literal["zeros", "reflect", "replicate"]
"""What is beyond the edge: zeros, the map mirrored at its outermost values, or these values again."""


def pair(size: Size) -> Pair:
    """Returns a size as (height, width)."""
    return size if isinstance(size, tuple) else (size, size)


def size_of(owner: str, what: str, value: object, least: int) -> Size:
    """Returns a checked size in its shortest form: one number where height and width are equal.

    Raises NetworkError: neither a whole number from `least` to `LARGEST` nor a pair of such numbers.
    """
    sides = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    if len(sides) != 2 or not whole or not least <= min(sides) <= max(sides) <= LARGEST:
        most = ceiling(max(sides)) if whole and sides else ""
        raise NetworkError(
            f"{owner}: {what} is a whole number of at least {least}{most}, or a pair (height, width), "
            f"not {value!r}"
        )
    return sides[0] if sides[0] == sides[1] else sides


def zeros_of(owner: str, value: object) -> Size | Sides:
    """Returns checked padding in its shortest form. Raises NetworkError: neither a size nor four numbers."""
    if isinstance(value, (tuple, list)) and len(value) not in (2, 4):
        raise NetworkError(
            f"{owner}: pad is a whole number, a pair (height, width), or (top, bottom, left, right), "
            f"not {value!r}"
        )
    if not isinstance(value, (tuple, list)) or len(value) == 2:
        return size_of(owner, "pad", value, 0)
    (top, bottom), (left, right) = (pair(size_of(owner, "pad", value[at : at + 2], 0)) for at in (0, 2))
    same = (top, left) == (bottom, right)
    return size_of(owner, "pad", (top, left), 0) if same else (top, bottom, left, right)


def pad_of(owner: str, value: object) -> Pad:
    """Returns the checked padding. Raises NetworkError: neither sizes nor "same"."""
    if value == "same":
        return "same"
    try:
        return zeros_of(owner, value)
    except NetworkError as error:
        raise NetworkError(f'{error}; or "same"' if isinstance(value, str) else str(error)) from None


def sides_of(pad: Size | Sides) -> Sides:
    """Returns padding as (top, bottom, left, right)."""
    if isinstance(pad, tuple) and len(pad) == 4:
        return pad
    high, wide = pair(pad)
    return high, high, wide, wide


@dataclass(frozen=True, slots=True)
class Axis:
    """A window along one axis: `size`, `stride`, `pad` zeros on each side, and `dilation`.

    `ceil` rounds the number of positions up. `more` is the number of zeros that the far side has beyond those
    of the near one; it is negative where it has fewer. `mode` is what stands in place of the zeros.
    """

    size: int = 1
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    ceil: bool = False
    more: int = 0
    mode: Padding = "zeros"

    @classmethod
    def same(cls, inputs: int, size: int, stride: int = 1, dilation: int = 1) -> Axis:
        """Returns the axis with ceil(inputs/stride) positions and the least padding that gives them.

        Source: TensorFlow, "SAME" padding (tf.nn, notes on padding).
        """
        plain = cls(size, stride, dilation=dilation)
        zeros = max((-(-inputs // stride) - 1) * stride + plain.reach - inputs, 0)
        return replace(plain, pad=zeros // 2, more=zeros % 2)

    @property
    def reach(self) -> int:
        """The number of values the window spans, the gaps of its dilation included."""
        return self.dilation * (self.size - 1) + 1

    @property
    def zeros(self) -> int:
        """The number of zeros on both sides together."""
        return 2 * self.pad + self.more

    @property
    def even(self) -> int:
        """The zeros that both sides have."""
        return self.pad + min(0, self.more)

    @property
    def extra(self) -> Pair:
        """The zeros beyond these on the near and on the far side, one of which has none."""
        return max(0, -self.more), max(0, self.more)

    @property
    def least(self) -> int:
        """The smallest number of inputs on which the window fits."""
        return max(1, self.reach - self.zeros - (self.stride - 1 if self.ceil else 0))

    def exact(self, inputs: int) -> Fraction:
        """Returns the number of positions by the formula, before rounding."""
        return Fraction(inputs - self.reach + self.zeros, self.stride) + 1

    def positions(self, inputs: int) -> int:
        """Returns the number of positions; 0 where the window does not fit.

        `ceil` follows PyTorch: a last, partial window counts only if it starts before the padding on the far
        side.
        """
        room = inputs + self.zeros - self.reach
        positions = (room + (self.stride - 1 if self.ceil else 0)) // self.stride + 1
        if self.ceil and (positions - 1) * self.stride >= inputs + self.pad:
            positions -= 1
        return max(0, positions)

    def unused(self, inputs: int) -> int:
        """Returns how many values at the far end no window covers, zeros of the padding included."""
        return max(0, (inputs - self.reach + self.zeros) - (self.positions(inputs) - 1) * self.stride)

    def quotient(self, inputs: int) -> str:
        """Returns the size formula with its numbers, before rounding: `(224-11+2·0)/4+1 = 54.25`."""
        size = str(self.size) if self.dilation == 1 else f"({self.dilation}·({self.size}-1)+1)"
        zeros = f"2·{self.even}" + "".join(f"+{zeros}" for zeros in self.extra if zeros)
        return f"({inputs}-{size}+{zeros})/{self.stride}+1 = {decimal(self.exact(inputs))}"

    def formula(self, inputs: int) -> str:
        """Returns the size formula and its rounded result: `(224-11+2·0)/4+1 = 54.25, floor 54`."""
        positions = self.positions(inputs)
        if positions < 1 or self.exact(inputs) == positions:
            return self.quotient(inputs)
        return f"{self.quotient(inputs)}, {'ceil' if self.ceil else 'floor'} {positions}"

    @property
    def repeats(self) -> Pair:
        """After how many outputs the windows repeat, and how many inputs further on."""
        return 1, self.stride

    def sees(self, first: int, last: int) -> Pair:
        """Returns the first and the last input that the outputs `first` to `last` see, padding included."""
        return first * self.stride - self.pad, last * self.stride - self.pad + self.reach - 1

    def reads(self, first: int, last: int, inputs: int) -> Pair:
        """Returns the first and the last input that the outputs read, also in padding that repeats them."""
        near, far = self.sees(first, last)
        end = inputs - 1
        parts = [(max(near, 0), min(far, end))] if far >= 0 and near <= end else []
        if self.mode != "zeros" and near < 0:
            parts.append((-min(far, -1), -near) if self.mode == "reflect" else (0, 0))
        if self.mode != "zeros" and far > end:
            mirrored = 2 * end - far, 2 * end - max(near, inputs)
            parts.append(mirrored if self.mode == "reflect" else (end, end))
        return min((part[0] for part in parts), default=near), max((part[1] for part in parts), default=far)


@dataclass(frozen=True, slots=True)
class UnevenAxis(Axis):
    """An axis split into `outputs` windows that overlap, or whose sizes differ by 1: adaptive pooling.

    Source: PyTorch, `adaptive_avg_pool2d`: window i runs from floor(i·N/M) to ceil((i+1)·N/M).
    """

    inputs: int = 1
    outputs: int = 1

    @classmethod
    def cut(cls, inputs: int, outputs: int) -> Axis:
        """Returns the axis that maps `inputs` to `outputs`: a plain one where the division is exact."""
        if inputs % outputs == 0:
            return Axis(inputs // outputs, inputs // outputs)
        shared = math.gcd(inputs, outputs)
        windows, values = outputs // shared, inputs // shared
        longest = -(-(windows - 1 + values) // windows)  # of the window that starts latest within a value
        return cls(longest, max(1, inputs // outputs), inputs=inputs, outputs=outputs)

    def positions(self, inputs: int) -> int:
        """Returns `outputs`."""
        return self.outputs

    def unused(self, inputs: int) -> int:
        """Returns 0: the windows cover every input."""
        return 0

    @property
    def repeats(self) -> Pair:
        """After how many outputs the windows repeat, and how many inputs further on."""
        shared = math.gcd(self.inputs, self.outputs)
        return self.outputs // shared, self.inputs // shared

    def sees(self, first: int, last: int) -> Pair:
        """Returns the first and the last input that the outputs `first` to `last` see."""
        return first * self.inputs // self.outputs, -(-(last + 1) * self.inputs // self.outputs) - 1


@dataclass(frozen=True, slots=True)
class Window:
    """A window over height and width."""

    rows: Axis
    columns: Axis

    @classmethod
    def of(
        cls, size: Size, stride: Size = 1, pad: Size | Sides = 0, dilation: Size = 1, *, ceil: bool = False
    ) -> Window:
        """Returns the window of these sizes.

        Each is one number for both axes or (height, width), padding also (top, bottom, left, right).
        """
        top, bottom, left, right = sides_of(pad)
        sides = zip(pair(size), pair(stride), (top, left), pair(dilation), strict=True)
        rows, columns = (Axis(*side, ceil=ceil) for side in sides)
        return cls(replace(rows, more=bottom - top), replace(columns, more=right - left))

    @classmethod
    def same(cls, plane: Pair, size: Size, stride: Size = 1, dilation: Size = 1) -> Window:
        """Returns the window with "SAME" padding on a plane (height, width)."""
        sides = zip(plane, pair(size), pair(stride), pair(dilation), strict=True)
        rows, columns = (Axis.same(*side) for side in sides)
        return cls(rows, columns)

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Both axes, the height first."""
        return self.rows, self.columns

    @property
    def even(self) -> Pair:
        """The zeros that both sides of each axis have."""
        return self.rows.even, self.columns.even

    @property
    def extra(self) -> Sides:
        """The zeros beyond these, at the top, bottom, left and right."""
        return *self.rows.extra, *self.columns.extra

    @property
    def zeros(self) -> Sides:
        """All zeros, at the top, bottom, left and right."""
        rows, columns = self.axes
        return rows.pad, rows.pad + rows.more, columns.pad, columns.pad + columns.more

    @property
    def area(self) -> int:
        """The number of values of one map that the window covers."""
        return self.rows.size * self.columns.size

    def positions(self, plane: Pair) -> Pair:
        """Returns the number of positions down and across a plane (height, width); 0: it does not fit."""
        return self.rows.positions(plane[0]), self.columns.positions(plane[1])

    def formula(self, plane: Pair) -> str:
        """Returns the size formula with its numbers: one text where it is the same for both axes."""
        return _once(axis.formula(inputs) for axis, inputs in zip(self.axes, plane, strict=True))

    def quotient(self, plane: Pair) -> str:
        """Returns the size formula with its numbers, before rounding."""
        return _once(axis.quotient(inputs) for axis, inputs in zip(self.axes, plane, strict=True))

    def dropped(self, plane: Pair) -> str:
        """Describes what rounding down leaves unused; an empty text where the division is exact."""
        unused = [axis.unused(inputs) for axis, inputs in zip(self.axes, plane, strict=True)]
        unseen = [max(0, count - axis.pad - axis.more) for axis, count in zip(self.axes, unused, strict=True)]
        if any(unseen):
            return f"floor: the last {_lines(*unseen)} unused"
        return f"floor: {_lines(*unused)} of padding unused" if any(unused) else ""

    def remedies(self, volume: Volume, most_pad: Pair) -> str:
        """Describes what would fit where the division leaves a remainder: another input, or more padding.

        `most_pad` is the largest padding that the layer takes.
        """
        plane = volume.plane
        missing = [-axis.unused(inputs) % axis.stride for axis, inputs in zip(self.axes, plane, strict=True)]
        larger = Volume(volume.height + missing[0], volume.width + missing[1], volume.depth)
        ways = [f"{larger} fits ({_plane_text(self.positions(larger.plane))})"]
        room = min(most - axis.pad for most, axis in zip(most_pad, self.axes, strict=True))
        for extra in range(1, room + 1):
            padded = Window(*(replace(axis, pad=axis.pad + extra) for axis in self.axes))
            with_pad = f"pad={pair_text((padded.rows.pad, padded.columns.pad))} on {volume}"
            positions = padded.positions(plane)
            if all(axis.unused(inputs) == 0 for axis, inputs in zip(padded.axes, plane, strict=True)):
                ways.append(f"{with_pad} fits ({_plane_text(positions)})")
                break
            if positions > self.positions(plane):
                ways.append(f"{with_pad} gives floor {_plane_text(positions)}")
                break
        floor = _plane_text(self.positions(plane))
        dropped = self.dropped(plane).removeprefix("floor: ")
        return f"{', or '.join(ways)}; or allow floor {floor} ({dropped})"


ONE = Window.of(1)
"""The window of a layer that treats each position by itself."""


def decimal(number: Fraction) -> str:
    """Returns a fraction with at most two decimals: 54.25, 2.33, 55."""
    text = f"{float(number):.2f}"
    return text.rstrip("0").rstrip(".")


def pair_text(size: Pair) -> str:
    """Returns a size as one writes it: `2`, or `(2, 1)` where the sides differ."""
    return str(size[0]) if size[0] == size[1] else str(size)


def _once(texts: Iterable[str]) -> str:
    """The texts that differ, joined."""
    return "; ".join(dict.fromkeys(texts))


def _plane_text(plane: Pair) -> str:
    """`55`, or `55x27` where the sides differ."""
    return str(plane[0]) if plane[0] == plane[1] else f"{plane[0]}x{plane[1]}"


def _lines(rows: int, columns: int) -> str:
    """`1 row and column`, `2 rows`, `1 row and 2 columns`."""
    if rows == columns:
        return f"{rows} row and column" if rows == 1 else f"{rows} rows and columns"
    lines = [f"{n} {word}{'s' * (n > 1)}" for n, word in ((rows, "row"), (columns, "column")) if n]
    return " and ".join(lines)
