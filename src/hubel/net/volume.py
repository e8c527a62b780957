"""Volumes: what flows between layers, a block of activations height x width x depth."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hubel.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Volume:
    """A block of activations: `height` x `width` places, `depth` values at each.

    Raises NetworkError: a side that is not a whole number of at least 1.
    """

    height: int
    width: int
    depth: int

    def __post_init__(self) -> None:
        for name, side in zip(("height", "width", "depth"), self, strict=True):
            if not isinstance(side, int) or isinstance(side, bool) or side < 1:
                raise NetworkError(f"a volume's {name} is a whole number of at least 1, not {side!r}")

    @classmethod
    def of(cls, value: VolumeLike) -> Volume:
        """Reads a volume from itself, from `(height, width, depth)` or from a text such as `32x32x3`."""
        if isinstance(value, Volume):
            return value
        if isinstance(value, str):
            match = re.fullmatch(r"\s*(\d+)\s*[x×]\s*(\d+)\s*[x×]\s*(\d+)\s*", value)
            if match is None:
                raise NetworkError(f"{value!r} is no volume; write height x width x depth, such as 32x32x3")
            return cls(*map(int, match.groups()))
        if len(value) != 3:
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


VolumeLike: TypeAlias = "Volume | str | tuple[int, int, int] | list[int]"
