"""Operators of ONNX that change the shape alone, cut the maps into parts, or deal them out in turn."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hubel.foreign.builder import NoLayerError
from hubel.foreign.onnx.reading import Node, Reading
from hubel.foreign.value import Value
from hubel.net.layers import Part, Shuffle


def same(reading: Reading, node: Node) -> Value:
    """The value itself."""
    return reading.value(node)


def flatten(reading: Reading, node: Node) -> Value:
    """The value with its axes merged into two."""
    value = reading.value(node)
    axis = int(node.get("axis", 1)) % (len(value.axes) + 1)
    shape = math.prod(value.shape[:axis]), math.prod(value.shape[axis:])
    return _in_shape(value, shape)


def reshape(reading: Reading, node: Node) -> Value:
    """The value in another shape; the last of three operations that are a shuffle."""
    shuffled = _shuffled(reading, node)
    if shuffled is not None:
        return shuffled
    value = reading.value(node)
    wanted = reading.ints(node, "shape", 1)
    assert wanted is not None
    if not node.get("allowzero", 0):
        wanted = [value.shape[at] if side == 0 else side for at, side in enumerate(wanted)]
    return _in_shape(value, tuple(wanted))


def _in_shape(value: Value, shape: tuple[int, ...]) -> Value:
    found = value.reshaped(shape)
    if found is None:
        raise NoLayerError(f"it makes {list(shape)} of {list(value.shape)}, which mixes maps")
    return found


def squeeze(reading: Reading, node: Node) -> Value:
    """The value without axes of one value."""
    value = reading.value(node)
    axes = reading.ints(node, "axes", 1)
    out = {at % len(value.axes) for at in axes} if axes else None
    kept = tuple(axis for at, axis in enumerate(value.axes) if (at not in out if out is not None else axis))
    return replace(value, axes=kept)


def unsqueeze(reading: Reading, node: Node) -> Value:
    """The value with more axes of one value."""
    value = reading.value(node)
    new = reading.ints(node, "axes", 1) or []
    rank = len(value.axes) + len(new)
    places = {at % rank for at in new}
    old = iter(value.axes)
    return replace(value, axes=tuple("" if at in places else next(old) for at in range(rank)))


def transpose(reading: Reading, node: Node) -> Value:
    """The value with its axes in another order."""
    value = reading.value(node)
    return value.transposed(node.get("perm", tuple(range(len(value.axes)))[::-1]))


def cut(reading: Reading, node: Node) -> Value:
    """An equal part of the maps."""
    value = reading.value(node)
    starts, ends = reading.ints(node, "starts", 1), reading.ints(node, "ends", 2)
    assert starts is not None
    assert ends is not None
    axes = reading.ints(node, "axes", 3) or list(range(len(starts)))
    steps = reading.ints(node, "steps", 4) or [1] * len(starts)
    depth = value.volume.depth
    if [axis % len(value.axes) for axis in axes] != [value.depth_axis] or steps != [1]:
        raise NoLayerError("it takes a part of other axes than depth")
    first, end, _ = slice(starts[0], ends[0]).indices(depth)
    return _part(reading, value, first, end)


def _part(reading: Reading, value: Value, first: int, end: int) -> Value:
    depth, share = value.volume.depth, end - first
    if (first, end) == (0, depth):
        return value
    if share < 1 or depth % share or first % share:
        raise NoLayerError(f"it takes maps {first} to {end} of {depth}, which is none of equal parts")
    return reading.builder.add(Part(first // share + 1, depth // share), [value], "")


def split(reading: Reading, node: Node) -> dict[str, Value]:
    """Reads a cut of the maps into parts: a value for each output."""
    value = reading.value(node)
    if node.get("axis", 0) % len(value.axes) != value.depth_axis:
        raise NoLayerError("it cuts other axes than depth")
    count = len(node.outputs)
    sizes = reading.ints(node, "split", 1) or [value.volume.depth // count] * count
    ends = np.cumsum(sizes).tolist()
    return {
        name: _part(reading, value, end - size, end)
        for name, size, end in zip(node.outputs, sizes, ends, strict=True)
    }


def _shuffled(reading: Reading, node: Node) -> Value | None:
    """The last of three operations that deal the maps of groups out in turn: reshape, transpose, reshape."""
    turn = reading.producers.get(node.inputs[0])
    before_turn = turn and reading.producers.get(turn.inputs[0])
    if not turn or not before_turn or turn.op != "Transpose" or before_turn.op != "Reshape":
        return None
    if tuple(turn.get("perm", ())) != (0, 2, 1, 3, 4):
        return None
    before = reading.value(before_turn)
    wanted = reading.ints(before_turn, "shape", 1) or []
    if not before.are_maps or len(wanted) != 5:
        return None
    return reading.builder.add(Shuffle(wanted[1]), [before], reading.name(node))
