"""Volumes: the blocks of activations between layers, height x width x depth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hubel.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator


LARGEST = 1_000_000_000
"""The largest whole number that a volume or a layer takes."""

COLOURS = (1, 3, 4)
"""The depths of images: grey, RGB, RGB with transparency."""

MUCH_LARGER = 8
"""How many times as large as the first side the others must be for the first to be taken as the depth."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A block of activations: `height` x `width` positions with `depth` values each.

    Raises NetworkError: a side is not a whole number from 1 to `LARGEST`.
    """

    height: int
    width: int
    depth: int

    def __post_init__(self) -> None:
        for name, side in zip(("height", "width", "depth"), self, strict=True):
            if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= LARGEST:
                raise NetworkError(
                    f"a volume's {name} is a whole number of at least 1{ceiling(side)}, not {side!r}"
                )

    @classmethod
    def of(cls, value: VolumeLike) -> Volume:
        """Returns a volume from a volume, from `(height, width, depth)` or from a text such as `32x32x3`.

        Raises NetworkError: any other value, or one that looks like depth x height x width, such as
        `(3, 224, 224)`. `Volume(3, 224, 224)` makes a volume that really is 3 rows high.
        """
        if isinstance(value, Volume):
            return value
        if isinstance(value, str):
            volume = cls.parse(value)
        elif isinstance(value, (tuple, list)) and len(value) == 3:
            volume = cls(*value)
        else:
            raise NetworkError(f"{value!r} is not a volume; give (height, width, depth)")
        first, second, third = volume
        if first in COLOURS and min(second, third) >= MUCH_LARGER * first:
            meant = f"{second}x{third}x{first}" if isinstance(value, str) else (second, third, first)
            raise NetworkError(
                f"{value!r} is written channels first; hubel writes height x width x depth: {meant}"
            )
        return volume

    @classmethod
    def parse(cls, text: str) -> Volume:
        """Returns the volume of a text such as `32x32x3`; `Volume.parse(str(volume)) == volume` always.

        Raises NetworkError: any other text.
        """
        match = re.fullmatch(r"\s*(\d{1,99})\s*[x×]\s*(\d{1,99})\s*[x×]\s*(\d{1,99})\s*", text)
        if match is None:
            raise NetworkError(f"{text!r} is not a volume; write height x width x depth, such as 32x32x3")
        return cls(*map(int, match.groups()))

    def __iter__(self) -> Iterator[int]:
        return iter((self.height, self.width, self.depth))

    @property
    def values(self) -> int:
        """The number of activations: height · width · depth."""
        return self.height * self.width * self.depth

    @property
    def plane(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.depth}"


def ceiling(value: object) -> str:
    """Returns ` and at most ...` for a number above `LARGEST`, else an empty text."""
    return f" and at most {LARGEST:,}" if isinstance(value, int) and value > LARGEST else ""


VolumeLike: TypeAlias = "Volume | str | tuple[int, int, int] | list[int]"
