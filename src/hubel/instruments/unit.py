"""Units by name: `conv2` is a layer, `conv2[3]` its map 3, `conv2[3,5,7]` its unit at row 5, column 7.

Maps, rows and columns are counted from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hubel.errors import MissingError, UsageError, nearest_or_few
from hubel.net.trace import INPUT, Step

_FORM = re.compile(r"([\w.#]+)(?:\[\s*(\d+)\s*(?:,\s*(\d+)\s*,\s*(\d+)\s*)?\])?")


@dataclass(frozen=True, slots=True)
class Unit:
    """A layer's path; with a `channel` one of its maps; with `row` and `column` one unit of that map."""

    path: str
    channel: int | None = None
    row: int | None = None
    column: int | None = None

    @classmethod
    def parse(cls, text: str, steps: Sequence[Step]) -> Unit:
        """Reads the name of a unit.

        Raises UsageError: not such a name, no such layer, or a position outside its volume.
        """
        match = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None:
            raise UsageError(f"{text!r} is no unit; write conv2, conv2[3] or conv2[3,5,7]: map, row, column")
        path, *places = match.groups()
        unit = cls(path, *(None if place is None else int(place) for place in places))
        unit.check(steps)
        return unit

    def check(self, steps: Sequence[Step]) -> None:
        """Raises MissingError: the network has no such layer, or the layer no such unit."""
        outputs = {step.path: step.output for step in steps}
        if self.path == INPUT and INPUT not in outputs:
            raise MissingError(
                "the input is no layer: its values are pixels, not computed; name a unit of a layer, such as "
                f"{steps[0].path}[0,0,0]"
            )
        if self.path not in outputs:
            hint = nearest_or_few(self.path, outputs, "layers")
            raise MissingError(f"the network has no layer {self.path!r}{hint}")
        seen = outputs[self.path]
        limits = (("map", self.channel, seen.depth), ("row", self.row, seen.height))
        for what, place, limit in (*limits, ("column", self.column, seen.width)):
            if place is not None and not 0 <= place < limit:
                raise MissingError(f"{self.path} is {seen}: its {what}s are 0 to {limit - 1}, not {place}")

    def __str__(self) -> str:
        if self.channel is None:
            return self.path
        if self.row is None:
            return f"{self.path}[{self.channel}]"
        return f"{self.path}[{self.channel},{self.row},{self.column}]"


def expand(units: Iterable[Unit], steps: Sequence[Step], most: int | None = None) -> list[Unit]:
    """Returns units in which a layer stands for its maps, at most its first `most`."""
    depths = {step.path: step.output.depth for step in steps}
    return [
        each
        for unit in units
        for each in (
            [unit]
            if unit.channel is not None
            else [Unit(unit.path, channel) for channel in range(depths[unit.path])[:most]]
        )
    ]
