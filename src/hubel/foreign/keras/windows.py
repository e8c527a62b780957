"""Keras' layers that slide a window: convolutions and pooling, and the zeros before them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hubel.foreign.builder import NoLayerError
from hubel.foreign.found import Array
from hubel.foreign.keras.activations import activated
from hubel.foreign.keras.reading import ORDERS, KerasLayer, KerasReading
from hubel.foreign.value import NO_SIDES, Value
from hubel.net.growing import Upsample
from hubel.net.layers import GlobalAvgPool
from hubel.net.sliding import AvgPool, Conv, MaxPool
from hubel.net.window import Pad, Pair, Sides, Window


def convolution(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """A convolution, with zeros before it as its own."""
    value = reading.maps(layer, value)
    size, filters, groups = layer.pair("kernel_size"), layer.get("filters"), layer.get("groups", 1)
    made = _conv(layer, value, filters, groups, bias=bool(layer.get("use_bias", True)))
    shape = *size, value.volume.depth // groups, filters
    arrays = reading.arrays(layer, kernel=shape, bias=(filters,) if made.bias else None)
    if "kernel" in arrays:
        arrays["kernel"] = filters_first(arrays["kernel"])
    return _activated(reading, layer, reading.slide(layer, made, value, **_named(arrays)))


def depthwise(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """A convolution of each map by itself."""
    value = reading.maps(layer, value)
    made, shape = _depthwise(layer, value, bias=bool(layer.get("use_bias", True)))
    arrays = reading.arrays(layer, depthwise_kernel=shape, bias=(made.filters,) if made.bias else None)
    weights = {("bias" if name == "bias" else "weight"): each for name, each in arrays.items()}
    if "weight" in weights:
        weights["weight"] = maps_first(weights["weight"])
    return _activated(reading, layer, reading.slide(layer, made, value, **weights))


def separable(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """A depthwise convolution, and one of size 1 after it."""
    value = reading.maps(layer, value)
    across, shape = _depthwise(layer, value, bias=False)
    filters, bias = layer.get("filters"), bool(layer.get("use_bias", True))
    arrays = reading.arrays(
        layer,
        depthwise_kernel=shape,
        pointwise_kernel=(1, 1, across.filters, filters),
        bias=(filters,) if bias else None,
    )
    first: dict[str, Array] = {}
    second: dict[str, Array] = {}
    if arrays:
        first = {"weight": maps_first(arrays["depthwise_kernel"])}
        second = {"weight": filters_first(arrays["pointwise_kernel"])}
        second |= {"bias": arrays["bias"]} if bias else {}
    maps = reading.slide(_renamed(layer, "depthwise"), across, value, **first)
    mixed = reading.slide(_renamed(layer, "pointwise"), Conv(filters, 1, bias=bias), maps, **second)
    return _activated(reading, layer, mixed)


def max_pooling(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """Max pooling; zeros before it may be its padding where no value is below 0."""
    value = reading.maps(layer, value)
    size, stride, pads = _pooled(layer, value)
    if value.pad != NO_SIDES and not reading.builder.never_negative(value.path):
        raise NoLayerError("the zeros before it count as values, and padding of max pooling never does")
    return reading.slide(layer, MaxPool(size, stride, pads), value)


def average_pooling(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """Average pooling; zeros before it count, its own padding does not."""
    value = reading.maps(layer, value)
    size, stride, pads = _pooled(layer, value)
    made = AvgPool(size, stride, pads, count_pad=value.pad != NO_SIDES)
    return reading.slide(layer, made, value)


def global_average_pooling(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """The mean of each map."""
    return _global(reading, layer, GlobalAvgPool(), value)


def global_max_pooling(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """The largest value of each map."""
    return _global(reading, layer, MaxPool(value.volume.plane), value)


def _global(reading: KerasReading, layer: KerasLayer, made: GlobalAvgPool | MaxPool, value: Value) -> Value:
    value = reading.maps(layer, value)
    added = reading.add(layer, made, [value])
    order = ORDERS[layer.get("data_format") or "channels_last"]
    return Value.of(added.path, added.volume, order if layer.get("keepdims") else "nc", value.batch)


def upsampling(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """Maps enlarged by whole factors."""
    value = reading.maps(layer, value)
    mode = layer.get("interpolation", "nearest")
    if mode not in ("nearest", "bilinear") or value.pad != NO_SIDES:
        raise NoLayerError(f"it takes values by {mode}, or zeros are before it")
    return reading.slide(layer, Upsample(layer.pair("size", 2), mode), value)


def zero_padding(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """Zeros around maps, which the next layer takes as its own padding."""
    value = reading.maps(layer, value)
    given = layer.get("padding", 1)
    pairs = [given, given] if isinstance(given, int) else list(given)
    (top, bottom), (left, right) = ((each, each) if isinstance(each, int) else each for each in pairs)
    if min(top, bottom, left, right) < 0:
        raise NoLayerError(f"its padding is {given}")
    a, b, c, d = value.pad
    return replace(value, pad=(a + top, b + bottom, c + left, d + right))


def filters_first(kernel: Array) -> Array:
    """Returns weights of height x width x maps x filters as filters x maps x height x width."""
    return kernel.transpose(3, 2, 0, 1)


def maps_first(kernel: Array) -> Array:
    """Returns weights of height x width x maps x filters of each, as filters x 1 x height x width."""
    high, wide, depth, each = kernel.shape
    return kernel.transpose(2, 3, 0, 1).reshape(depth * each, 1, high, wide)


def _conv(layer: KerasLayer, value: Value, filters: Any, groups: Any, *, bias: bool) -> Conv:
    size, stride = layer.pair("kernel_size"), layer.pair("strides", 1)
    dilation = layer.pair("dilation_rate", 1)
    pads = _pads(layer, value, size, stride, dilation)
    uneven = pads[0] != pads[1] or pads[2] != pads[3]
    same = Window.same(value.volume.plane, size, stride, dilation).zeros
    pad: Pad = "same" if uneven and pads == same else pads
    return Conv(filters, size, stride=stride, pad=pad, groups=groups, bias=bias, dilation=dilation)


def _depthwise(layer: KerasLayer, value: Value, *, bias: bool) -> tuple[Conv, tuple[int, ...]]:
    """A convolution of each map by itself, and the shape of its weights in the file."""
    depth, each = value.volume.depth, layer.get("depth_multiplier", 1)
    return _conv(layer, value, depth * each, depth, bias=bias), (*layer.pair("kernel_size"), depth, each)


def _pooled(layer: KerasLayer, value: Value) -> tuple[Pair, Pair, Sides]:
    size = layer.pair("pool_size", 2)
    stride = size if layer.get("strides") is None else layer.pair("strides")
    return size, stride, _pads(layer, value, size, stride, (1, 1))


def _pads(layer: KerasLayer, value: Value, size: Pair, stride: Pair, dilation: Pair) -> Sides:
    """The zeros at the top, bottom, left and right, those before the layer included."""
    padding = str(layer.get("padding", "valid")).lower()
    if padding == "valid":
        return value.pad
    if padding != "same" or value.pad != NO_SIDES:
        raise NoLayerError(f"its padding is {padding}" + " after other zeros" * (value.pad != NO_SIDES))
    return Window.same(value.volume.plane, size, stride, dilation).zeros


def _activated(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    return activated(reading, layer.get("activation"), value, "")


def _named(arrays: dict[str, Array]) -> dict[str, Array]:
    return {{"kernel": "weight"}.get(name, name): each for name, each in arrays.items()}


def _renamed(layer: KerasLayer, part: str) -> KerasLayer:
    return replace(layer, names=(*layer.names[:-1], f"{layer.names[-1]}_{part}"))
