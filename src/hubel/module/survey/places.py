"""The place of a tensor in a run: the record that made it, its volume, and the meaning of its axes.

Axes are `c` for depth, `h` and `w` for height and width, `p` for all positions in one axis, `1` for an axis
of one value (such as the axis of images), and `?` for what a reshape mixed. Depth that was cut in two is `cg`
for its groups and `cm` for the members of each; merged in the other order it is `cs`, a shuffle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from hubel.net.volume import Volume


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a tensor.

    `source` is the number of the record that made it, -1 for the input. `mixed` says that every unit sees the
    whole image, so that the order of the units no longer matters.
    """

    source: int
    volume: Volume
    axes: tuple[str, ...]
    mixed: bool = False


def by_shape(tensor: Tensor, depth: int = 0) -> tuple[Volume, tuple[str, ...]]:
    """Returns the volume and the axes of a tensor from its shape alone, as PyTorch's layers read it.

    If the last axis has `depth` values and the second has not, depth is the last axis.
    """
    shape = tuple(max(1, side) for side in tensor.shape)
    if len(shape) == 4 and shape[0] == 1 and shape[1] != depth == shape[3]:
        return Volume(*shape[1:]), ("1", "h", "w", "c")
    if len(shape) == 4 and shape[0] == 1:
        return Volume(shape[2], shape[3], shape[1]), ("1", "c", "h", "w")
    if len(shape) <= 2 and math.prod(shape[:-1]) == 1:
        return Volume(1, 1, math.prod(shape)), ("1", "c")[2 - len(shape) :]
    if len(shape) == 3 and shape[0] == 1:
        return Volume(shape[1], 1, shape[2]), ("1", "p", "c")
    return Volume(math.prod(shape[:-1]), 1, shape[-1]), (*("?",) * (len(shape) - 1), "c")


def moved(place: Place, seen: Tensor, name: str, args: Sequence[Any], made: Tensor) -> Place:
    """Returns the place of the same values after a permutation or a reshape."""
    axes = _permuted(place.axes, name, args) or _reshaped(place.axes, seen.shape, made.shape)
    if place.mixed and "?" in axes:
        volume, axes = by_shape(made, place.volume.depth)
        return replace(place, volume=volume, axes=axes)
    return replace(place, axes=axes)


def _permuted(axes: tuple[str, ...], name: str, args: Sequence[Any]) -> tuple[str, ...] | None:
    """Returns the axes after a permutation; None for another function."""
    if name == "permute" and len(args) > 1:
        order = args[1] if isinstance(args[1], (tuple, list)) else args[1:]
        return tuple(axes[at] for at in order)
    if name in ("transpose", "swapaxes", "swapdims") and len(args) == 3:
        swapped = list(axes)
        swapped[args[1]], swapped[args[2]] = axes[args[2]], axes[args[1]]
        return tuple(swapped)
    return None


def _reshaped(axes: tuple[str, ...], before: Sequence[int], after: Sequence[int]) -> tuple[str, ...]:
    """Returns the axes after a reshape: unchanged axes keep their name, merged positions become `p`."""
    old = [(side, axis) for side, axis in zip(before, axes, strict=True) if side != 1]
    new: list[str] = []
    for at, side in enumerate(after):
        if side == 1:
            new.append("1")
            continue
        if old and old[0][1] == "c" and at + 1 < len(after) and side * after[at + 1] == old[0][0] > side:
            old[:1] = [(side, "cg"), (after[at + 1], "cm")]
        group = [old.pop(0)] if old else [(1, "?")]
        while math.prod(size for size, _ in group) < side and old:
            group.append(old.pop(0))
        if math.prod(size for size, _ in group) != side:
            return (*new, *("?" for _ in after[at:]))
        new.append(_merged([axis for _, axis in group]))
    return tuple(new)


def _merged(axes: list[str]) -> str:
    """Returns what axes are that become one."""
    if len(axes) == 1:
        return axes[0]
    if axes == ["cg", "cm"]:
        return "c"
    if axes == ["cm", "cg"]:
        return "cs"
    return "p" if set(axes) <= {"h", "w", "p"} else "?"
