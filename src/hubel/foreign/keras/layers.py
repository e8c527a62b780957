"""What each class of Keras' layers is: a layer of hubel, a part of one, or nothing at inference.

`READERS` has a function for each class, which returns its value or raises NoLayerError. Source: Keras 3.15,
`layers/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hubel.foreign.builder import NoLayerError
from hubel.foreign.found import Array
from hubel.foreign.keras import activations, windows
from hubel.foreign.keras.reading import ORDERS, KerasLayer, KerasReading, check_depth
from hubel.foreign.value import Value
from hubel.net.layers import Add, Concat, Dropout, Fc, Multiply
from hubel.net.norms import BatchNorm, GroupNorm, LayerNorm
from hubel.net.sliding import Conv

LEAST_STD = 1e-7
"""What Keras' normalisation divides by at least."""


def _dense(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """A fully connected layer; on maps, the same at each place, a convolution of size 1."""
    units, bias = layer.get("units"), bool(layer.get("use_bias", True))
    flat = value.is_flat
    if not flat and not value.is_in(ORDERS["channels_last"]):
        raise NoLayerError(f"its input is {list(value.shape)}")
    made = Fc(units, bias) if flat else Conv(units, 1, bias=bias)
    inputs = value.volume.values if flat else value.volume.depth
    arrays = reading.arrays(layer, kernel=(inputs, units), bias=(units,) if bias else None)
    weights = {"bias": arrays["bias"]} if "bias" in arrays else {}
    if "kernel" in arrays:
        columns = arrays["kernel"].T
        weights["weight"] = value.columns(columns) if flat else columns[:, :, None, None]
    added = reading.add(layer, made, [value], **weights)
    out = Value.of(added.path, added.volume, "nc" if flat else ORDERS["channels_last"], value.batch)
    return activations.activated(reading, layer.get("activation"), out, "")


def _batchnorm(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    check_depth(value, layer.get("axis", -1))
    depth = value.volume.depth
    names = {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    absent = [name for name, flag in (("gamma", "scale"), ("beta", "center")) if not layer.get(flag, True)]
    arrays = reading.arrays(layer, **{name: None if name in absent else (depth,) for name in names})
    if arrays:
        arrays |= {name: np.full(depth, float(name == "gamma"), np.float32) for name in absent}
    momentum = float(f"{1 - layer.number('momentum', 0.99):.7g}")
    made = BatchNorm(layer.number("epsilon", 1e-3), momentum)
    return reading.add(layer, made, [value], **{names[name]: each for name, each in arrays.items()})


def _layernorm(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    check_depth(value, layer.get("axis", -1))
    if layer.get("rms_scaling"):
        raise NoLayerError("it leaves the mean in")
    return reading.add(
        layer, LayerNorm(layer.number("epsilon", 1e-3)), [value], **_scaled(reading, layer, value)
    )


def _groupnorm(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    check_depth(value, layer.get("axis", -1))
    groups = layer.get("groups", 32)
    made = GroupNorm(value.volume.depth if groups == -1 else groups, layer.number("epsilon", 1e-3))
    return reading.add(layer, made, [value], **_scaled(reading, layer, value))


def _scaled(reading: KerasReading, layer: KerasLayer, value: Value) -> dict[str, Array]:
    """The scale and the shift of a normalisation."""
    if not (layer.get("scale", True) and layer.get("center", True)):
        raise NoLayerError("it has no scale or no shift")
    arrays = reading.arrays(layer, gamma=(value.volume.depth,), beta=(value.volume.depth,))
    return {"weight": arrays["gamma"], "bias": arrays["beta"]} if arrays else {}


def _rescaling(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    scale, shift = (
        _per_map(value, layer.get(name, usual)) for name, usual in (("scale", 1.0), ("offset", 0.0))
    )
    return reading.builder.affine(value, scale, shift, layer.name)


def _normalization(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """(x - mean) / std of each map, with numbers of the configuration or of the weights."""
    check_depth(value, layer.get("axis", -1))
    if layer.get("invert"):
        raise NoLayerError("it is inverted")
    mean, variance = layer.get("mean"), layer.get("variance")
    if mean is None:
        depth = value.volume.depth
        arrays = reading.arrays(layer, mean=(depth,), variance=(depth,))
        mean, variance = arrays.get("mean", 0.0), arrays.get("variance", 1.0)
    std = np.maximum(np.sqrt(_per_map(value, variance)), LEAST_STD)
    return reading.builder.affine(value, 1 / std, -_per_map(value, mean) / std, layer.name)


def _per_map(value: Value, given: Any) -> Array:
    """One number per map. Raises NoLayerError: there are others."""
    if isinstance(given, dict):  # an array, as Keras 3 writes it
        given = given.get("config", {}).get("value", given)
    numbers = np.array(given, np.float64).reshape(-1)
    if numbers.size not in (1, value.volume.depth) or not value.is_in(ORDERS["channels_last"]):
        raise NoLayerError(f"it has {numbers.size} numbers for depth {value.volume.depth}")
    return np.broadcast_to(numbers, value.volume.depth).copy()


def _dropout(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    return reading.add(layer, Dropout(layer.number("rate", 0.5)), [value])


def _same(_reading: KerasReading, _layer: KerasLayer, value: Value) -> Value:
    return value


def _training_only(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    reading.builder.remark(f"left out, as it acts in training alone: {layer}")
    return value


def _flatten(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    if layer.get("data_format") == "channels_first" and not value.is_flat:  # Keras turns the axes before
        value = reading.maps(layer, value).transposed((0, 2, 3, 1))
    return _in_shape(value, (value.volume.values,))


def _reshape(_reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    return _in_shape(value, layer.get("target_shape"))


def _in_shape(value: Value, shape: Sequence[int]) -> Value:
    found = value.reshaped((value.batch, *shape))
    if found is None:
        raise NoLayerError(f"it makes {list(shape)} of {list(value.shape[1:])}, which mixes maps")
    return found


def _permute(_reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    return value.transposed((0, *layer.get("dims")))


def add(reading: KerasReading, layer: KerasLayer, *values: Value) -> Value:
    """A sum."""
    if len({(value.volume, value.axes) for value in values}) > 1:
        shapes = " and ".join(str(list(value.shape)) for value in values)
        raise NoLayerError(f"it adds values of different shapes, {shapes}")
    return values[0] if len(values) == 1 else reading.add(layer, Add(), values)


def multiply(reading: KerasReading, layer: KerasLayer, *values: Value) -> Value:
    """A gate: what is seen, times what a branch of it says."""
    if len(values) != 2 or len(values[0].axes) != len(values[1].axes):
        raise NoLayerError(f"it is a product of {' and '.join(str(list(each.shape)) for each in values)}")
    seen, says = values
    if says.volume.values > seen.volume.values or reading.builder.leads(says.path, seen.path):
        seen, says = says, seen
    return reading.add(layer, Multiply(), [seen, says])


def concatenate(reading: KerasReading, layer: KerasLayer, *values: Value) -> Value:
    """Values one after the other along the depth."""
    axis = layer.get("axis", -1)
    for value in values:
        check_depth(value, axis)
    if len({len(value.axes) for value in values}) > 1:
        raise NoLayerError("it joins maps with values")
    if len(values) == 1:
        return values[0]
    added = reading.add(layer, Concat(), values)
    order = next(
        order
        for order in (*ORDERS.values(), "nc")
        if len(order) == len(values[0].axes) and axis % len(order) == order.index("c")
    )
    return Value.of(added.path, added.volume, order, added.batch)


Reader = Callable[[KerasReading, KerasLayer, Value], Value]
Joiner = Callable[..., Value]

READERS: dict[str, Reader] = {
    "Activation": activations.activation,
    "ActivityRegularization": _same,
    "AveragePooling2D": windows.average_pooling,
    "BatchNormalization": _batchnorm,
    "Conv2D": windows.convolution,
    "Dense": _dense,
    "DepthwiseConv2D": windows.depthwise,
    "Dropout": _dropout,
    "ELU": activations.elu,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": windows.global_average_pooling,
    "GlobalMaxPooling2D": windows.global_max_pooling,
    "GroupNormalization": _groupnorm,
    "Identity": _same,
    "LayerNormalization": _layernorm,
    "LeakyReLU": activations.leaky_relu,
    "MaxPooling2D": windows.max_pooling,
    "Normalization": _normalization,
    "PReLU": activations.prelu,
    "Permute": _permute,
    "ReLU": activations.relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "SeparableConv2D": windows.separable,
    "Softmax": activations.softmax,
    "UpSampling2D": windows.upsampling,
    "ZeroPadding2D": windows.zero_padding,
    **dict.fromkeys(
        (
            "AlphaDropout",
            "GaussianDropout",
            "GaussianNoise",
            "RandomBrightness",
            "RandomContrast",
            "RandomFlip",
            "RandomRotation",
            "RandomTranslation",
            "RandomZoom",
            "SpatialDropout2D",
        ),
        _training_only,
    ),
}
"""For each class that takes one value, what reads it."""

JOINERS: dict[str, Joiner] = {"Add": add, "Concatenate": concatenate, "Multiply": multiply}
"""For each class that takes several values, what reads it."""
