"""Spans: along one axis of the image, the pixels that each unit of a layer sees.

A unit's first pixel is the smallest value of a few lines, its last pixel the largest. A line is an index that
repeats: it grows by `gain` every `period` units. Windows map lines to lines, and branches put theirs side by
side, so a span is exact for every unit, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from hubel.net.window import Axis

Number: TypeAlias = int | Fraction

LONGEST = 5000
"""The longest period that is kept value by value; beyond it, a line becomes a straight bound."""


@dataclass(frozen=True, slots=True)
class Line:
    """A number for each unit: `values` for the first ones; each period later, larger by `gain`."""

    values: tuple[Number, ...]
    gain: Number

    @property
    def period(self) -> int:
        """After how many units the line repeats."""
        return len(self.values)

    @property
    def slope(self) -> Fraction:
        """How much the line grows per unit, on average."""
        return Fraction(self.gain) / self.period

    def at(self, unit: Number) -> Number:
        """Returns the number of a unit, counted from 0; units beyond the edges continue the line."""
        if self.period == 1:
            return self.values[0] + unit * self.gain
        periods, place = divmod(unit, self.period)
        return self.values[int(place)] + periods * self.gain

    def after(self, index: Line, *, low: bool) -> Line:
        """Returns the line of the units that `index` leads to; `low` says on which side a bound may err."""
        if self.period == 1:
            return Line(tuple(self.at(unit) for unit in index.values), self.gain * index.gain)
        times = self.period // math.gcd(self.period, index.gain) if isinstance(index.gain, int) else 0
        if not 0 < times * index.period <= LONGEST:
            return self.straight(low=low).after(index.straight(low=low), low=low)
        units = range(times * index.period)
        gain = _whole(self.slope * times * index.gain)
        return Line(tuple(self.at(index.at(unit)) for unit in units), gain)

    def straight(self, *, low: bool) -> Line:
        """Returns the nearest straight line that is nowhere above (`low`), or nowhere below, this one."""
        if self.period == 1:
            return self
        slope = self.slope
        offsets = [value - unit * slope for unit, value in enumerate(self.values)]
        return Line((min(offsets) if low else max(offsets),), slope)


@dataclass(frozen=True, slots=True)
class Span:
    """The first and the last pixel of every unit: the least of `lows` and the greatest of `highs`."""

    lows: tuple[Line, ...] = (Line((0,), 1),)
    highs: tuple[Line, ...] = (Line((0,), 1),)

    @classmethod
    def around(cls, spans: Iterable[Span]) -> Span:
        """Returns the span of units that see what several units see."""
        every = list(spans)
        if len(every) == 1:
            return every[0]
        lows = [line for span in every for line in span.lows]
        highs = [line for span in every for line in span.highs]
        return cls(_merged(lows, low=True), _merged(highs, low=False))

    def through(self, axis: Axis) -> Span:
        """Returns the span of a window's outputs, where this is that of its inputs."""
        period, gain = axis.repeats
        if period > LONGEST:
            slope = Fraction(gain, period)
            ends = axis.sees(0, 0)
            first, last = Line((Fraction(ends[0] - 1),), slope), Line((Fraction(ends[1] + 1),), slope)
        else:
            seen = [axis.sees(unit, unit) for unit in range(period)]
            first, last = (Line(values, gain) for values in zip(*seen, strict=True))
        return Span(
            _merged([line.after(first, low=True) for line in self.lows], low=True),
            _merged([line.after(last, low=False) for line in self.highs], low=False),
        )

    def first(self, unit: int) -> int:
        """Returns the first pixel that a unit sees."""
        return math.floor(min(line.at(unit) for line in self.lows))

    def last(self, unit: int) -> int:
        """Returns the last pixel that a unit sees."""
        return math.ceil(max(line.at(unit) for line in self.highs))

    def largest(self, units: int) -> int:
        """Returns the most pixels that any of the first `units` units sees.

        Of units one period apart, the first or the last one sees most, as each line grows evenly there.
        """
        period = math.lcm(*(line.period for line in (*self.lows, *self.highs)))
        ends = {*range(min(period, units)), *range(max(0, units - period), units)}
        return max(self.last(unit) - self.first(unit) for unit in ends) + 1

    def jump(self, units: int) -> Number:
        """Returns how far the spans of neighbours lie apart; on average, where that differs."""
        slopes = {line.slope for line in self.lows}
        if units == 1 or (len(slopes) == 1 and units > max(line.period for line in self.lows)):
            return _whole(max(slopes))
        return _whole(Fraction(self.first(units - 1) - self.first(0), units - 1))


def _merged(lines: Iterable[Line], *, low: bool) -> tuple[Line, ...]:
    """Returns one line for each slope: the least, or the greatest, of those that grow alike."""
    found: dict[Fraction, Line] = {}
    for line in lines:
        known = found.get(line.slope)
        found[line.slope] = line if known in (None, line) else _outer(known, line, low=low)
    period = math.lcm(*(line.period for line in found.values()))
    if period > LONGEST:
        return tuple(line.straight(low=low) for line in found.values())
    return tuple(found.values())


def _outer(one: Line, other: Line, *, low: bool) -> Line:
    """Returns the least, or the greatest, of two lines that grow alike."""
    period = math.lcm(one.period, other.period)
    if period > LONGEST:
        return _outer(one.straight(low=low), other.straight(low=low), low=low)
    pick = min if low else max
    values = tuple(pick(one.at(unit), other.at(unit)) for unit in range(period))
    return Line(values, _whole(one.slope * period))


def _whole(number: Fraction) -> Number:
    """Returns a whole number as such."""
    return number.numerator if number.denominator == 1 else number
