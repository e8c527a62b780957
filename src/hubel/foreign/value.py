"""A value of a foreign graph: which step makes it, and what the axes of its array mean.

An axis is a text of letters: `n` for the images, `c`, `h` and `w` for depth, height and width; `chw` is a
flattened volume. Letters of size 1 are left out, so that an axis of one value is an empty text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hubel.foreign.found import Array, Entry
from hubel.net.trace import INPUT
from hubel.net.volume import Volume
from hubel.net.window import Padding, Sides

MAPS = "nchw"
"""The axes of images and feature maps, in the order of most formats."""

NO_SIDES: Sides = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Value:
    """The output of the step at `path`, or the input.

    `entry` is what was done to an input so far. `pad` is how much is around the value that the next layer
    sees, at the top, bottom, left and right, and `mode` what it is.
    """

    path: str
    volume: Volume
    axes: tuple[str, ...]
    batch: int = 1
    entry: Entry | None = None
    pad: Sides = NO_SIDES
    mode: Padding = "zeros"

    @classmethod
    def of(cls, path: str, volume: Volume, order: str = MAPS, batch: int = 1) -> Value:
        """Returns the value with an axis for each letter of `order`."""
        sizes = _sizes(volume, batch)
        axes = tuple(letter if sizes[letter] > 1 else "" for letter in order)
        entry = Entry.plain(volume.depth) if path == INPUT else None
        return cls(path, volume, axes, batch, entry)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        sizes = _sizes(self.volume, self.batch)
        return tuple(math.prod(sizes[letter] for letter in axis) for axis in self.axes)

    @property
    def are_maps(self) -> bool:
        """Whether the array is n x depth x height x width."""
        return self.is_in(MAPS)

    def is_in(self, order: str) -> bool:
        """Whether the array has an axis for each letter of `order`."""
        return len(self.axes) == len(order) and all(
            axis in ("", letter) for axis, letter in zip(self.axes, order, strict=True)
        )

    @property
    def is_flat(self) -> bool:
        """Whether the array is n x values."""
        return len(self.axes) == 2 and self.axes[0] in ("", "n")

    @property
    def depth_axis(self) -> int | None:
        """The axis of depth alone, None where it is part of another."""
        if "c" in self.axes:
            return self.axes.index("c")
        alone = self.volume.depth == 1 and len(self.axes) > 1
        return 1 if alone and self.axes[1] == "" else None

    def reshaped(self, shape: Sequence[int]) -> Value | None:
        """Returns the value in another shape, a side of -1 filled in; None where that cuts or mixes axes."""
        sizes = _sizes(self.volume, self.batch)
        rest = math.prod(side for side in shape if side != -1)
        shape = [math.prod(self.shape) // max(1, rest) if side == -1 else side for side in shape]
        letters = list("".join(self.axes))
        axes = []
        for side in shape:
            axis = ""
            while math.prod(sizes[letter] for letter in axis) < side and letters:
                axis += letters.pop(0)
            if math.prod(sizes[letter] for letter in axis) != side:
                return None
            axes.append(axis)
        return None if letters else replace(self, axes=tuple(axes))

    def transposed(self, order: Sequence[int]) -> Value:
        """Returns the value with its axes in another order."""
        return replace(self, axes=tuple(self.axes[at] for at in order))

    def moved(self, path: str, volume: Volume) -> Value:
        """Returns the output of a step that takes this value and keeps the meaning of the axes."""
        sizes = _sizes(volume, self.batch)
        kept = ("".join(letter for letter in axis if sizes[letter] > 1) for axis in self.axes)
        grown = volume.depth > 1 and "c" not in "".join(self.axes) and self.depth_axis is not None
        axes = [*kept]
        if grown and self.depth_axis is not None:
            axes[self.depth_axis] = "c"
        return Value(path, volume, tuple(axes), self.batch)

    def per_depth(self, constant: Array) -> Array | None:
        """Returns one number per map of a constant that is joined with the value; None where it has others.

        The constant's axes are the value's last ones, as NumPy broadcasts them.
        """
        if constant.size == 1:
            return np.full(self.volume.depth, float(constant.reshape(-1)[0]))
        axis = self.depth_axis
        if axis is None or constant.ndim > len(self.axes):
            return None
        shape = (1,) * (len(self.axes) - constant.ndim) + constant.shape
        if math.prod(shape) != shape[axis] or shape[axis] != self.volume.depth:
            return None
        return constant.reshape(-1).astype(np.float64)

    def columns(self, weight: Array) -> Array:
        """Returns a matrix over the flat value with its columns in the order depth, height, width."""
        letters = [(letter, size) for letter, size in self.letters() if letter != "n"]
        order = sorted(range(len(letters)), key=lambda at: "chw".index(letters[at][0]))
        if order == sorted(order):
            return weight
        cube = weight.reshape(-1, *(size for _, size in letters))
        return cube.transpose(0, *(1 + at for at in order)).reshape(weight.shape)

    def letters(self) -> Iterator[tuple[str, int]]:
        """Yields the letters of all axes in order, with their sizes."""
        sizes = _sizes(self.volume, self.batch)
        for letter in "".join(self.axes):
            yield letter, sizes[letter]


def _sizes(volume: Volume, batch: int) -> dict[str, int]:
    return {"n": batch, "c": volume.depth, "h": volume.height, "w": volume.width}
