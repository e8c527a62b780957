"""Volumes: what flows between layers, a block of activations height x width x depth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hubel.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator


LARGEST = 1_000_000_000
"""The largest whole number a volume or a layer is made of."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A block of activations: `height` x `width` places, `depth` values at each.

    Raises NetworkError: a side that is not a whole number from 1 to `LARGEST`.
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
        """Reads a volume from itself, from `(height, width, depth)` or from a text such as `32x32x3`.

        Raises NetworkError: anything else.
        """
        if isinstance(value, Volume):
            return value
        if isinstance(value, str):
            match = re.fullmatch(r"\s*(\d{1,99})\s*[x×]\s*(\d{1,99})\s*[x×]\s*(\d{1,99})\s*", value)
            if match is None:
                raise NetworkError(f"{value!r} is no volume; write height x width x depth, such as 32x32x3")
            return cls(*map(int, match.groups()))
        if not isinstance(value, (tuple, list)) or len(value) != 3:
            raise NetworkError(f"{value!r} is no volume; give (height, width, depth)")
        return cls(*value)

    def __iter__(self) -> Iterator[int]:
        return iter((self.height, self.width, self.depth))

    @property
    def values(self) -> int:
        """How many activations the volume holds."""
        return self.height * self.width * self.depth

    @property
    def plane(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.depth}"


def ceiling(value: object) -> str:
    """` and at most ...`, where a value is above what there may be."""
    return f" and at most {LARGEST:,}" if isinstance(value, int) and value > LARGEST else ""


VolumeLike: TypeAlias = "Volume | str | tuple[int, int, int] | list[int]"
