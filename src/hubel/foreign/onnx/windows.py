"""Operators of ONNX that slide a window: convolution and pooling, with every way to say their padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hubel.foreign.builder import NoLayerError
from hubel.foreign.onnx.reading import Node, Reading
from hubel.foreign.value import NO_SIDES, Value
from hubel.net.growing import ConvTranspose, Upsample
from hubel.net.layers import GlobalAvgPool
from hubel.net.sliding import AvgPool, Conv, MaxPool
from hubel.net.window import Pad, Padding, Sides, Window

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
        pad_mode=value.mode,
    )
    if value.mode != "zeros" and pads != value.pad:
        zeros = tuple(int(each) for each in np.subtract(pads, value.pad))
        raise NoLayerError(
            f"it has padding of two kinds: {value.pad} by {value.mode} from the Pad before, and "
            f"{zeros} zeros of its own (top, bottom, left, right)"
        )
    if weight.shape[1] * layer.groups != value.volume.depth:
        raise NoLayerError(
            f"its filters take depth {weight.shape[1] * layer.groups}, not {value.volume.depth}"
        )
    weights = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    return reading.builder.add(layer, [_bare(value)], reading.name(node), **weights)


def convtranspose(reading: Reading, node: Node) -> Value:
    """A transposed convolution."""
    value = reading.maps(node)
    weight = reading.constant(node, 1, "weight")
    assert weight is not None
    pads = tuple(node.get("pads", (0, 0, 0, 0)))
    if weight.ndim != 4 or pads[:2] != pads[2:] or node.get("auto_pad", "NOTSET") != "NOTSET":
        raise NoLayerError("its padding is not the same on both sides, or it has another number of axes")
    if node.get("output_shape", None) is not None:
        raise NoLayerError("it states the size of its output in place of its padding")
    bias = reading.constant(node, 2, "bias")
    groups = node.get("group", 1)
    layer = ConvTranspose(
        weight.shape[1] * groups,
        _pair(weight.shape[2:]),
        stride=_attribute(node, "strides"),
        pad=(pads[0], pads[1]),
        output_pad=_pair(node.get("output_padding", (0, 0))),
        groups=groups,
        bias=bias is not None,
        dilation=_attribute(node, "dilations"),
    )
    weights = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    return reading.builder.add(layer, [value], reading.name(node), **weights)


def resize(reading: Reading, node: Node) -> Value:
    """Upsampling by a whole factor: the nearest value, or linear between the middles of pixels."""
    value = reading.maps(node)
    at = {"Upsample": (1, None), "Resize": (1, None) if reading.opset < 11 else (2, 3)}[node.op]
    factors = reading.constant(node, at[0], "scales") if "scales" not in node.attributes else None
    if "scales" in node.attributes:
        factors = np.array(node.attributes["scales"])
    if factors is None or not factors.size:
        sizes = reading.constant(node, at[1], "sizes") if at[1] else None
        if sizes is None:
            raise NoLayerError("it states no factors")
        factors = sizes / np.array(value.shape)
    if len(factors) != 4 or any(factors[:2] != 1) or any(factors != np.rint(factors)):
        raise NoLayerError(f"it changes the size by {factors.tolist()}, not by whole factors")
    mode = {"nearest": "nearest", "linear": "bilinear"}.get(node.get("mode", "nearest"))
    middles = node.get(
        "coordinate_transformation_mode", "half_pixel" if reading.opset >= 11 else "asymmetric"
    )
    plain = middles in ("half_pixel", "pytorch_half_pixel") or (mode == "nearest" and middles == "asymmetric")
    if mode is None or not plain:
        raise NoLayerError(f"it takes values by {node.get('mode', 'nearest')}, {middles}")
    layer = Upsample((int(factors[2]), int(factors[3])), mode)  # type: ignore[arg-type]  # of the two above
    return reading.builder.add(layer, [value], reading.name(node))


def maxpool(reading: Reading, node: Node) -> Value:
    """Max pooling; padding at the far side may be the rounding up that gives as many positions.

    Zeros of a `Pad` before it are its padding where no value is negative: they never change the largest.
    """
    value = reading.maps(node)
    size, stride = _pair(node.get("kernel_shape", ())), _attribute(node, "strides")
    if _attribute(node, "dilations") != (1, 1):
        raise NoLayerError("max pooling has no dilation")
    if value.pad != NO_SIDES and not (value.mode == "zeros" and reading.builder.never_negative(value.path)):
        raise NoLayerError(
            "what is padded before counts as values; it is the padding of maxpool, which never does, "
            "only where it is zeros and no value is below them, such as after relu"
        )
    pads = _pads(node, value, size, stride, (1, 1))
    wanted = _positions(node, value, size, stride, pads)
    near = pads[0], pads[2]
    for pad, ceil in ((near, False), (near, True), (pads, False)):
        layer = MaxPool(size, stride, pad, ceil)
        if layer.output(value.volume).plane == wanted:
            return reading.builder.add(layer, [_bare(value)], reading.name(node))
    raise NoLayerError(f"its padding {list(pads)} gives {wanted} positions, and maxpool another number")


def avgpool(reading: Reading, node: Node) -> Value:
    """Average pooling; zeros of a `Pad` before it count, those of its own padding may."""
    value = reading.maps(node)
    size, stride = _pair(node.get("kernel_shape", ())), _attribute(node, "strides")
    if _attribute(node, "dilations") != (1, 1):
        raise NoLayerError("average pooling has no dilation")
    pads = _pads(node, _bare(value), size, stride, (1, 1))
    counts = not any(pads) or bool(node.get("count_include_pad", 0))
    if value.mode != "zeros" or (any(pads) and any(value.pad)):
        raise NoLayerError(
            f"it has padding of two kinds: {value.pad} by {value.mode} from the Pad before, and its own"
        )
    pads = pads if any(pads) else value.pad
    layer = AvgPool(size, stride, pads, bool(node.get("ceil_mode", 0)), counts)
    return reading.builder.add(layer, [_bare(value)], reading.name(node))


def globalavgpool(reading: Reading, node: Node) -> Value:
    """The mean of each map."""
    return reading.builder.add(GlobalAvgPool(), [reading.maps(node)], reading.name(node))


def globalmaxpool(reading: Reading, node: Node) -> Value:
    """The largest value of each map."""
    value = reading.maps(node)
    return reading.builder.add(MaxPool(value.volume.plane), [value], reading.name(node))


def pad(reading: Reading, node: Node) -> Value:
    """What is put around maps, which the next layer takes as its own padding."""
    value = reading.value(node)
    mode: Padding | None = MODES.get(node.get("mode", "constant"))
    if mode is None or (any(value.pad) and value.mode != mode):
        raise NoLayerError(f"it pads by {node.get('mode', 'constant')}")
    if mode == "zeros" and reading.number(node, "value", 2, 0.0):
        raise NoLayerError("it pads by another number than 0")
    amounts = reading.ints(node, "pads", 1) or node.get("paddings", ())
    axes = reading.ints(node, "axes", 3) or list(range(len(value.axes)))
    sides = dict.fromkeys("hw", (0, 0))
    for at, axis in enumerate(axes):
        pair = int(amounts[at]), int(amounts[at + len(axes)])
        letter = value.axes[axis]
        if any(pair) and (letter not in sides or min(pair) < 0):
            raise NoLayerError("it pads or cuts more than height and width")
        if any(pair):
            sides[letter] = pair
    return replace(value, pad=_sum(value.pad, (*sides["h"], *sides["w"])), mode=mode)


MODES: dict[str, Padding] = {"constant": "zeros", "reflect": "reflect", "edge": "replicate"}


def _bare(value: Value) -> Value:
    """The value without what is around it."""
    return replace(value, pad=NO_SIDES, mode="zeros")


def _positions(node: Node, value: Value, size: Pair, stride: Pair, pads: Sides) -> Pair:
    """The number of windows that the specification gives, down and across.

    With `ceil_mode` a window that would start in the padding at the far side is left out.
    """
    found = []
    for at in range(2):
        inputs = value.volume.plane[at]
        near, far = pads[2 * at], pads[2 * at + 1]
        room = inputs + near + far - size[at]
        up = stride[at] - 1 if node.get("ceil_mode", 0) else 0
        count = (room + up) // stride[at] + 1
        found.append(count - (up > 0 and (count - 1) * stride[at] >= inputs + near))
    return found[0], found[1]


def _pads(node: Node, value: Value, size: Pair, stride: Pair, dilation: Pair) -> Sides:
    """The padding at the top, bottom, left and right, that of a `Pad` before included."""
    auto = node.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        top, left, bottom, right = tuple(node.get("pads", ())) or NO_SIDES
        return _sum((top, bottom, left, right), value.pad)
    if auto == "VALID":
        return value.pad
    if value.pad != NO_SIDES:
        raise NoLayerError(
            f"it has padding of two kinds: {value.pad} from the Pad before, and its own, {auto}"
        )
    top, bottom, left, right = Window.same(value.volume.plane, size, stride, dilation).zeros
    return (bottom, top, right, left) if auto == "SAME_LOWER" else (top, bottom, left, right)


def _pad(pads: Sides, value: Value, size: Pair, stride: Pair, dilation: Pair) -> Pad:
    """The padding as a convolution has it."""
    same = Window.same(value.volume.plane, size, stride, dilation).zeros
    uneven = pads[0] != pads[1] or pads[2] != pads[3]
    return "same" if uneven and pads == same else pads


def _sum(a: Sides, b: Sides) -> Sides:
    top, bottom, left, right = np.add(a, b).tolist()
    return top, bottom, left, right


def _attribute(node: Node, name: str) -> Pair:
    return _pair(node.get(name, (1, 1)))


def _pair(sides: Sequence[int]) -> Pair:
    if len(sides) != 2:
        raise NoLayerError(f"its window has {len(sides)} axes, not two")
    return int(sides[0]), int(sides[1])
