"""Operators of ONNX that slide a window: convolution and pooling, with every way to say their padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from hubel.foreign.builder import NoLayerError
from hubel.foreign.onnx.reading import Node, Reading
from hubel.foreign.value import NO_SIDES, Sides, Value
from hubel.net.layers import GlobalAvgPool
from hubel.net.sliding import AvgPool, Conv, MaxPool
from hubel.net.window import Pad, Window

Pair = tuple[int, int]


def conv(reading: Reading, node: Node) -> Value:
    """A convolution; zeros that a `Pad` before it adds become its own."""
    value = reading.maps(node)
    weight = reading.constant(node, 1, "weight")
    assert weight is not None
    if weight.ndim != 4:
        raise NoLayerError(f"its window has {weight.ndim - 2} axes, not two")
    size = _pair(weight.shape[2:])
    stride, dilation = _attribute(node, "strides"), _attribute(node, "dilations")
    pads = _pads(node, value, size, stride, dilation)
    bias = reading.constant(node, 2, "bias")
    layer = Conv(
        weight.shape[0],
        size,
        stride=stride,
        pad=_pad(pads, value, size, stride, dilation),
        groups=node.get("group", 1),
        bias=bias is not None,
        dilation=dilation,
    )
    if weight.shape[1] * layer.groups != value.volume.depth:
        raise NoLayerError(
            f"its filters take depth {weight.shape[1] * layer.groups}, not {value.volume.depth}"
        )
    weights = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    bare = replace(value, pad=NO_SIDES)
    return reading.builder.add(layer, [bare], reading.name(node), **weights)


def maxpool(reading: Reading, node: Node) -> Value:
    """Max pooling; padding at the far side is the rounding up that gives as many positions."""
    value = reading.maps(node)
    size, stride = _pair(node.get("kernel_shape", ())), _attribute(node, "strides")
    if _attribute(node, "dilations") != (1, 1):
        raise NoLayerError("max pooling has no dilation")
    if value.pad != NO_SIDES:
        raise NoLayerError("its zeros count as values, and padding of max pooling never does")
    pads = _pads(node, value, size, stride, (1, 1))
    wanted = _positions(node, value, size, stride, pads)
    for pad, ceil in product({(pads[0], pads[1]), (pads[2], pads[3])}, (False, True)):
        window = Window.of(size, stride, pad, ceil=ceil)
        if pad == (pads[0], pads[1]) and window.positions(value.volume.plane) == wanted:
            return reading.builder.add(MaxPool(size, stride, pad, ceil), [value], reading.name(node))
    raise NoLayerError(f"its padding {list(pads)} is not the same on both sides")


def avgpool(reading: Reading, node: Node) -> Value:
    """Average pooling; zeros of the padding have to count, as they do in `avgpool`, or there are none."""
    value = reading.maps(node)
    size, stride = _pair(node.get("kernel_shape", ())), _attribute(node, "strides")
    if _attribute(node, "dilations") != (1, 1):
        raise NoLayerError("average pooling has no dilation")
    bare = replace(value, pad=NO_SIDES)
    pads = _pads(node, bare, size, stride, (1, 1))
    if any(pads) and not node.get("count_include_pad", 0):
        raise NoLayerError("it leaves its padding out of the mean, and avgpool counts it")
    if any(pads) and any(value.pad):
        raise NoLayerError("it has padding of two kinds")
    pads = pads if any(pads) else value.pad
    if pads[:2] != pads[2:]:
        raise NoLayerError(f"its padding {list(pads)} is not the same on both sides")
    layer = AvgPool(size, stride, pads[:2], bool(node.get("ceil_mode", 0)))
    return reading.builder.add(layer, [bare], reading.name(node))


def globalavgpool(reading: Reading, node: Node) -> Value:
    """The mean of each map."""
    return reading.builder.add(GlobalAvgPool(), [reading.maps(node)], reading.name(node))


def globalmaxpool(reading: Reading, node: Node) -> Value:
    """The largest value of each map."""
    value = reading.maps(node)
    return reading.builder.add(MaxPool(value.volume.plane), [value], reading.name(node))


def pad(reading: Reading, node: Node) -> Value:
    """Zeros around maps, which the next layer takes as its own."""
    value = reading.value(node)
    mode = node.get("mode", "constant")
    if mode != "constant":
        raise NoLayerError(f"it pads by {mode}")
    if reading.number(node, "value", 2, 0.0):
        raise NoLayerError("it pads by another number than 0")
    amounts = reading.ints(node, "pads", 1) or reading.ints(node, "paddings", 1) or []
    axes = reading.ints(node, "axes", 3) or list(range(len(value.axes)))
    before = dict.fromkeys("hw", 0)
    after = dict.fromkeys("hw", 0)
    for at, axis in enumerate(axes):
        pair = amounts[at], amounts[at + len(axes)]
        letter = value.axes[axis]
        if any(pair) and (letter not in before or min(pair) < 0):
            raise NoLayerError("it pads or cuts more than height and width")
        if any(pair):
            before[letter], after[letter] = pair
    sides = (before["h"], before["w"], after["h"], after["w"])
    return replace(value, pad=_sum(value.pad, sides))


def _positions(node: Node, value: Value, size: Pair, stride: Pair, pads: Sides) -> Pair:
    """The number of windows that the specification gives, down and across.

    With `ceil_mode` a window that would start in the padding at the far side is left out.
    """
    found = []
    for at in range(2):
        inputs = value.volume.plane[at]
        room = inputs + pads[at] + pads[at + 2] - size[at]
        up = stride[at] - 1 if node.get("ceil_mode", 0) else 0
        count = (room + up) // stride[at] + 1
        found.append(count - (up > 0 and (count - 1) * stride[at] >= inputs + pads[at]))
    return found[0], found[1]


def _pads(node: Node, value: Value, size: Pair, stride: Pair, dilation: Pair) -> Sides:
    """The zeros at the top, left, bottom and right, those of a `Pad` before included."""
    auto = node.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        own = tuple(node.get("pads", ())) or NO_SIDES
        return _sum((own[0], own[1], own[2], own[3]), value.pad)
    if auto == "VALID":
        return value.pad
    if value.pad != NO_SIDES:
        raise NoLayerError("it has padding of two kinds")
    axes = Window.same(value.volume.plane, size, stride, dilation).axes
    near = [axis.pad for axis in axes]
    far = [axis.pad + axis.odd for axis in axes]
    if auto == "SAME_LOWER":
        near, far = far, near
    return near[0], near[1], far[0], far[1]


def _pad(pads: Sides, value: Value, size: Pair, stride: Pair, dilation: Pair) -> Pad:
    """The padding as a convolution has it. Raises NoLayerError: it has no such."""
    if pads[:2] == pads[2:]:
        return pads[:2]
    axes = Window.same(value.volume.plane, size, stride, dilation).axes
    if pads == (*(axis.pad for axis in axes), *(axis.pad + axis.odd for axis in axes)):
        return "same"
    raise NoLayerError(f"its padding {list(pads)} is not the same on both sides")


def _sum(a: Sides, b: Sides) -> Sides:
    top, left, bottom, right = np.add(a, b).tolist()
    return top, left, bottom, right


def _attribute(node: Node, name: str) -> Pair:
    return _pair(node.get(name, (1, 1)))


def _pair(sides: Sequence[int]) -> Pair:
    if len(sides) != 2:
        raise NoLayerError(f"its window has {len(sides)} axes, not two")
    return int(sides[0]), int(sides[1])
