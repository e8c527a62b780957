"""Keras' activations, which are layers of their own or a part of another layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from hubel.foreign.builder import NoLayerError
from hubel.foreign.keras.reading import KerasLayer, KerasReading, check_depth
from hubel.foreign.value import Value
from hubel.net.activations import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    PRelu,
    Relu,
    Sigmoid,
    Silu,
    Tanh,
)
from hubel.net.layer import Layer
from hubel.net.layers import Softmax

FUNCTIONS: dict[str, Layer] = {
    "elu": Elu(),
    "gelu": Gelu(),
    "hard_silu": HardSwish(),
    "hard_swish": HardSwish(),
    "leaky_relu": LeakyRelu(0.2),
    "relu": Relu(),
    "relu6": Relu(6.0),
    "sigmoid": Sigmoid(),
    "silu": Silu(),
    "softmax": Softmax(),
    "swish": Silu(),
    "tanh": Tanh(),
}
"""Each function with Keras' own defaults. Source: Keras 3.15, `activations/activations.py`."""


def activated(reading: KerasReading, given: Any, value: Value, name: str) -> Value:
    """Returns a value after a function that a configuration gives as text or as an object."""
    function = given.get("config") if isinstance(given, dict) else given
    if function in (None, "linear"):
        return value
    if function == "hard_sigmoid":
        return _hard_sigmoid(reading, value, name)
    if not isinstance(function, str) or function not in FUNCTIONS:
        raise NoLayerError(f"there is no layer for its activation {function!r}")
    if function == "softmax":
        check_depth(value, -1)
    return reading.builder.add(FUNCTIONS[function], [value], name)


def _hard_sigmoid(reading: KerasReading, value: Value, name: str) -> Value:
    """x/6 + 1/2 from 0 to 1; before Keras 3 it was x/5 + 1/2, a factor and a summand before a relu."""
    if reading.version >= 3:
        return reading.builder.add(HardSigmoid(), [value], name)
    one = np.ones(value.volume.depth)
    line = reading.builder.affine(value, 0.2 * one, 0.5 * one, "")
    return reading.builder.add(Relu(1.0), [line], name)


def activation(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """A function as a layer."""
    return activated(reading, layer.get("activation"), value, layer.name)


def relu(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """Relu, with a limit or a slope below 0."""
    slope, limit = layer.number("negative_slope", 0.0), layer.get("max_value")
    if layer.number("threshold", 0.0):
        raise NoLayerError(f"it begins at {layer.get('threshold')}, and relu at 0")
    if slope and limit is not None:
        raise NoLayerError("it has a limit and a slope below 0")
    return reading.add(layer, LeakyRelu(slope) if slope else Relu(limit), [value])


def leaky_relu(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """Relu with a slope below 0, which was called alpha before Keras 3."""
    slope = layer.number("negative_slope", 0.3) if "alpha" not in layer.config else layer.number("alpha", 0.3)
    return reading.add(layer, LeakyRelu(slope), [value])


def prelu(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """Relu with a slope that is trained: one for each map, or one for all."""
    shared = {axis % len(value.axes) for axis in layer.get("shared_axes") or []}
    own = [size for axis, size in enumerate(value.shape) if axis and axis not in shared and size > 1]
    if own not in ([], [value.volume.depth]):
        raise NoLayerError("its slopes are not one for each map; shared_axes=[1, 2] makes them so")
    one = not own
    count = 1 if one else value.volume.depth
    arrays = reading.arrays(layer, alpha=(count,))
    weights = {"weight": arrays["alpha"]} if arrays else {}
    return reading.add(layer, PRelu(one), [value], **weights)


def elu(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """Elu."""
    return reading.add(layer, Elu(layer.number("alpha", 1.0)), [value])


def softmax(reading: KerasReading, layer: KerasLayer, value: Value) -> Value:
    """Softmax over the depth."""
    check_depth(value, layer.get("axis", -1))
    return reading.add(layer, Softmax(), [value])
