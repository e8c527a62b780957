"""Windows: the arithmetic of sliding something over a volume.

A filter of size F, moved by a stride S over N values with P zeros of padding on either side, has
(N - F + 2P)/S + 1 places. Everything the network's geometry needs follows from the window: output
sizes, what is dropped where the division leaves a rest, and which input a range of outputs sees.
TensorFlow's "SAME" padding puts one zero more on the far side where their number is odd.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from hubel.errors import NetworkError
from hubel.net.volume import LARGEST, Volume, ceiling

Pair: TypeAlias = tuple[int, int]
Size: TypeAlias = int | Pair
"""One number for both axes, or (height, width)."""


def pair(size: Size) -> Pair:
    """Returns (height, width) of a size."""
    return size if isinstance(size, tuple) else (size, size)


def size_of(owner: str, what: str, value: object, least: int) -> Size:
    """Checks a size and returns its shortest form: one number where both axes are alike.

    Raises NetworkError: not a whole number or a pair of them, or outside `least` to `LARGEST`.
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


@dataclass(frozen=True, slots=True)
class Axis:
    """A window along one axis: `size`, `stride`, `pad` on either side, `dilation`, `ceil` rounding.

    `odd` is one more zero on the far side.
    """

    size: int = 1
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    ceil: bool = False
    odd: int = 0

    @classmethod
    def same(cls, inputs: int, size: int, stride: int = 1, dilation: int = 1) -> Axis:
        """The axis with ceil(inputs/stride) places, padded no more than that takes.

        Source: TensorFlow, "SAME" padding (tf.nn, notes on padding).
        """
        plain = cls(size, stride, dilation=dilation)
        zeros = max((-(-inputs // stride) - 1) * stride + plain.reach - inputs, 0)
        return replace(plain, pad=zeros // 2, odd=zeros % 2)

    @property
    def reach(self) -> int:
        """How many values the window spans, its holes included."""
        return self.dilation * (self.size - 1) + 1

    @property
    def zeros(self) -> int:
        """How many zeros pad both sides together."""
        return 2 * self.pad + self.odd

    @property
    def least(self) -> int:
        """The fewest inputs on which it has a place."""
        return max(1, self.reach - self.zeros - (self.stride - 1 if self.ceil else 0))

    def exact(self, inputs: int) -> Fraction:
        """The number of places by the formula, before rounding."""
        return Fraction(inputs - self.reach + self.zeros, self.stride) + 1

    def places(self, inputs: int) -> int:
        """The number of places; below 1 when the window does not fit.

        `ceil` follows PyTorch: a last, partial window counts only if it starts before the padding
        on the far side.
        """
        room = inputs + self.zeros - self.reach
        places = (room + (self.stride - 1 if self.ceil else 0)) // self.stride + 1
        if self.ceil and (places - 1) * self.stride >= inputs + self.pad:
            places -= 1
        return max(0, places)

    def unused(self, inputs: int) -> int:
        """How many values at the far end no window reaches; the padding is the first to go."""
        return max(0, (inputs - self.reach + self.zeros) - (self.places(inputs) - 1) * self.stride)

    def quotient(self, inputs: int) -> str:
        """The size formula with its numbers in it, before rounding: `(224-11+2·0)/4+1 = 54.25`."""
        size = str(self.size) if self.dilation == 1 else f"({self.dilation}·({self.size}-1)+1)"
        zeros = f"2·{self.pad}{f'+{self.odd}' if self.odd else ''}"
        return f"({inputs}-{size}+{zeros})/{self.stride}+1 = {decimal(self.exact(inputs))}"

    def formula(self, inputs: int) -> str:
        """The size formula with what it is rounded to: `(224-11+2·0)/4+1 = 54.25, floor 54`."""
        places = self.places(inputs)
        if places < 1 or self.exact(inputs) == places:
            return self.quotient(inputs)
        return f"{self.quotient(inputs)}, {'ceil' if self.ceil else 'floor'} {places}"

    def sees(self, first: int, last: int) -> Pair:
        """The first and last input that the outputs `first` to `last` see; beyond the edges too."""
        return first * self.stride - self.pad, last * self.stride - self.pad + self.reach - 1


@dataclass(frozen=True, slots=True)
class UnevenAxis(Axis):
    """An axis cut into `outputs` windows that overlap or differ by one, as adaptive pooling does.

    Source: PyTorch, `adaptive_avg_pool2d`: window i runs from floor(i·N/M) to ceil((i+1)·N/M).
    """

    inputs: int = 1
    outputs: int = 1

    @classmethod
    def cut(cls, inputs: int, outputs: int) -> Axis:
        """The axis that turns `inputs` into `outputs`; a plain one where the division leaves no rest."""
        if inputs % outputs == 0:
            return Axis(inputs // outputs, inputs // outputs)
        starts = [i * inputs // outputs for i in range(outputs)]
        ends = [-(-(i + 1) * inputs // outputs) for i in range(outputs)]
        longest = max(end - start for start, end in zip(starts, ends, strict=True))
        return cls(longest, max(1, inputs // outputs), inputs=inputs, outputs=outputs)

    def places(self, inputs: int) -> int:
        """The number of windows asked for."""
        return self.outputs

    def unused(self, inputs: int) -> int:
        """Nothing: the windows cover every input."""
        return 0

    def sees(self, first: int, last: int) -> Pair:
        """The first and last input that the outputs `first` to `last` see."""
        return first * self.inputs // self.outputs, -(-(last + 1) * self.inputs // self.outputs) - 1


@dataclass(frozen=True, slots=True)
class Window:
    """A window over height and width."""

    rows: Axis
    columns: Axis

    @classmethod
    def of(
        cls, size: Size, stride: Size = 1, pad: Size = 0, dilation: Size = 1, *, ceil: bool = False
    ) -> Window:
        """The window with these sizes; each is one number for both axes or (height, width)."""
        sides = zip(pair(size), pair(stride), pair(pad), pair(dilation), strict=True)
        rows, columns = (Axis(*side, ceil=ceil) for side in sides)
        return cls(rows, columns)

    @classmethod
    def same(cls, plane: Pair, size: Size, stride: Size = 1, dilation: Size = 1) -> Window:
        """The window with "SAME" padding on a plane, height and width."""
        sides = zip(plane, pair(size), pair(stride), pair(dilation), strict=True)
        rows, columns = (Axis.same(*side) for side in sides)
        return cls(rows, columns)

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Both axes, height first."""
        return self.rows, self.columns

    @property
    def area(self) -> int:
        """How many values of one map the window covers."""
        return self.rows.size * self.columns.size

    def places(self, plane: Pair) -> Pair:
        """How many places the window has on a plane, height and width; below 1 where it does not fit."""
        return self.rows.places(plane[0]), self.columns.places(plane[1])

    def formula(self, plane: Pair) -> str:
        """The size formula with its numbers, once where both axes are alike."""
        return _once(axis.formula(inputs) for axis, inputs in zip(self.axes, plane, strict=True))

    def quotient(self, plane: Pair) -> str:
        """The same before rounding."""
        return _once(axis.quotient(inputs) for axis, inputs in zip(self.axes, plane, strict=True))

    def dropped(self, plane: Pair) -> str:
        """What rounding down leaves unseen, in words; nothing where the division leaves no rest."""
        unused = [axis.unused(inputs) for axis, inputs in zip(self.axes, plane, strict=True)]
        unseen = [max(0, rest - axis.pad - axis.odd) for axis, rest in zip(self.axes, unused, strict=True)]
        if any(unseen):
            return f"floor: the last {_lines(*unseen)} unused"
        return f"floor: {_lines(*unused)} of padding unused" if any(unused) else ""

    def remedies(self, seen: Volume, most_pad: Pair) -> str:
        """What would fit, for a window that leaves a rest on `seen` and takes padding up to `most_pad`."""
        more = [-axis.unused(n) % axis.stride for axis, n in zip(self.axes, seen.plane, strict=True)]
        larger = Volume(seen.height + more[0], seen.width + more[1], seen.depth)
        floor = _places(self.places(seen.plane))
        ways = [f"{larger} fits ({_places(self.places(larger.plane))})"]
        room = min(most - axis.pad for most, axis in zip(most_pad, self.axes, strict=True))
        for extra in range(1, room + 1):
            padded = Window(*(replace(axis, pad=axis.pad + extra) for axis in self.axes))
            pads = pair_text((padded.rows.pad, padded.columns.pad))
            if all(axis.unused(n) == 0 for axis, n in zip(padded.axes, seen.plane, strict=True)):
                ways.append(f"pad={pads} on {seen} fits ({_places(padded.places(seen.plane))})")
                break
            if padded.places(seen.plane) > self.places(seen.plane):
                ways.append(f"pad={pads} on {seen} gives floor {_places(padded.places(seen.plane))}")
                break
        dropped = self.dropped(seen.plane).removeprefix("floor: ")
        return f"{', or '.join(ways)}; or allow floor {floor} ({dropped})"


ONE = Window.of(1)
"""The window of a layer that treats every place by itself."""


def decimal(number: Fraction) -> str:
    """A fraction with two decimals at most: 54.25, 2.33, 55."""
    text = f"{float(number):.2f}"
    return text.rstrip("0").rstrip(".")


def pair_text(size: Pair) -> str:
    """Both sides as one writes them: `2`, or `(2, 1)` where they differ."""
    return str(size[0]) if size[0] == size[1] else str(size)


def _once(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))


def _places(plane: Pair) -> str:
    return str(plane[0]) if plane[0] == plane[1] else f"{plane[0]}x{plane[1]}"


def _lines(rows: int, columns: int) -> str:
    """`1 row and column`, `2 rows`, `1 row and 2 columns`."""
    if rows == columns:
        return f"{rows} row and column" if rows == 1 else f"{rows} rows and columns"
    lines = [f"{n} {word}{'s' * (n > 1)}" for n, word in ((rows, "row"), (columns, "column")) if n]
    return " and ".join(lines)
