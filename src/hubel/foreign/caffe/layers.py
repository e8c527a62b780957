"""What each type of Caffe's layers is: a layer of hubel, a part of one, or nothing at inference.

`READERS` has a function for each type, which returns its value or raises NoLayerError. Without weights every
layer is known all the same. Source: caffe.proto, and the forward passes of Caffe's layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hubel.foreign.builder import Builder, NoLayerError
from hubel.foreign.caffe.file import CaffeLayer
from hubel.foreign.found import Array
from hubel.foreign.value import Value
from hubel.net.activations import Elu, LeakyRelu, PRelu, Relu, Sigmoid, Tanh
from hubel.net.growing import ConvTranspose
from hubel.net.layer import Layer
from hubel.net.layers import Add, Concat, Dropout, Fc, GlobalAvgPool, Multiply, Softmax
from hubel.net.norms import BatchNorm, Lrn
from hubel.net.sliding import AvgPool, Conv, MaxPool
from hubel.net.window import Pair

AVERAGE, STOCHASTIC, FLOOR, WITHIN = 1, 2, 1, 1
PROD, SUM = 0, 1
"""Numbers of enumerations; see `hubel.foreign.caffe.schema`."""


@dataclass(slots=True, eq=False)
class CaffeReading:
    """One reading of a network: its values so far by name, and the arrays of layers, if there are any."""

    builder: Builder
    arrays: dict[str, list[Array]] | None
    values: dict[str, Value] = field(default_factory=dict)

    def value(self, layer: CaffeLayer, at: int = 0) -> Value:
        """Returns what a layer reads. Raises NoLayerError: nothing makes it."""
        name = layer.bottoms[at] if at < len(layer.bottoms) else ""
        if name not in self.values:
            raise NoLayerError(f"nothing makes {name!r}, which it reads")
        return self.values[name]

    def add(self, layer: CaffeLayer, made: Layer, values: Sequence[Value], **weights: Array) -> Value:
        """Adds a step."""
        return self.builder.add(made, values, layer.name.replace("/", "."), **weights)

    def weights(self, layer: CaffeLayer, *shapes: tuple[int, ...]) -> list[Array]:
        """Returns the arrays of a layer in these shapes; none where the network has no weights.

        Raises NoLayerError: they are missing, or have other sizes.
        """
        if self.arrays is None:
            return []
        found = self.arrays.get(layer.name, [])
        if len(found) < len(shapes):
            raise NoLayerError(f"it has {len(found)} arrays, not {len(shapes)}")
        for array, shape in zip(found, shapes, strict=False):
            if array.size != int(np.prod(shape)):
                raise NoLayerError(f"its weights are {list(array.shape)}, not {list(shape)}")
        return [array.reshape(shape) for array, shape in zip(found, shapes, strict=False)]


def _sides(given: Any, what: str, usual: int) -> Pair:
    """A size of a window: one number, two, or one for height and one for width."""
    name = {"kernel": "kernel_size"}.get(what, what)
    listed = getattr(given, name)
    numbers = list(listed) if not isinstance(listed, int) else [listed] if given.HasField(name) else []
    high, wide = (given.HasField(f"{what}_{side}") and getattr(given, f"{what}_{side}") for side in "hw")
    if high or wide:
        return int(high), int(wide)
    numbers = numbers or [usual]
    return int(numbers[0]), int(numbers[-1])


def _named(names: Sequence[str], arrays: Sequence[Array]) -> dict[str, Array]:
    return dict(zip(names, arrays, strict=False))


def _convolution(reading: CaffeReading, layer: CaffeLayer) -> Value:
    given, value = layer.of("convolution"), _maps(reading, layer)
    transposed = layer.type == "Deconvolution"
    size, groups = _sides(given, "kernel", 0), given.group or 1
    bias = given.bias_term or not given.HasField("bias_term")
    dilations = [*given.dilation] or [1]
    geometry: dict[str, Any] = {
        "stride": _sides(given, "stride", 1),
        "pad": _sides(given, "pad", 0),
        "groups": groups,
        "bias": bias,
        "dilation": (dilations[0], dilations[-1]),
    }
    made: Layer = (ConvTranspose if transposed else Conv)(given.num_output, size, **geometry)
    outer, inner = given.num_output, value.volume.depth
    if transposed:
        outer, inner = inner, outer
    shapes = [(outer, inner // groups, *size)] + [(given.num_output,)] * bias
    arrays = reading.weights(layer, *shapes)
    return reading.add(layer, made, [value], **_named(("weight", "bias"), arrays))


def _pooling(reading: CaffeReading, layer: CaffeLayer) -> Value:
    """Pooling: the number of windows is rounded up, and with padding one that starts in it is dropped."""
    given, value = layer.of("pooling"), _maps(reading, layer)
    if given.pool == STOCHASTIC:
        raise NoLayerError("stochastic pooling is no layer of hubel")
    average = given.pool == AVERAGE
    if given.global_pooling:
        return reading.add(layer, GlobalAvgPool() if average else MaxPool(value.volume.plane), [value])
    size, stride, pad = _sides(given, "kernel", 0), _sides(given, "stride", 1), _sides(given, "pad", 0)
    kind = AvgPool if average else MaxPool
    down = given.round_mode == FLOOR
    wanted = tuple(
        _windows(*each, down=down) for each in zip(value.volume.plane, size, stride, pad, strict=True)
    )
    for ceil in (False, True):
        made = kind(size, stride, pad, ceil)
        if made.output(value.volume).plane == wanted:
            return reading.add(layer, made, [value])
    raise NoLayerError(f"it has {wanted} windows, of which one is over no value")


def _windows(inputs: int, size: int, stride: int, pad: int, *, down: bool) -> int:
    """The number of windows along an axis. Source: pooling_layer.cpp, `Reshape`."""
    room = inputs + 2 * pad - size
    count = (room if down else room + stride - 1) // stride + 1
    return count - (pad > 0 and (count - 1) * stride >= inputs + pad)


def _lrn(reading: CaffeReading, layer: CaffeLayer) -> Value:
    """Response normalisation: alpha is divided by the number of terms, and within maps k is 1."""
    given = layer.of("lrn")
    size = given.local_size or 5
    within = given.norm_region == WITHIN
    alpha, beta, k = (
        _decimal(getattr(given, name)) if given.HasField(name) else usual
        for name, usual in (("alpha", 1.0), ("beta", 0.75), ("k", 1.0))
    )
    made = Lrn(size, alpha / size**2, beta, 1.0, within=True) if within else Lrn(size, alpha / size, beta, k)
    return reading.add(layer, made, [_maps(reading, layer)])


def _inner_product(reading: CaffeReading, layer: CaffeLayer) -> Value:
    given, value = layer.of("inner_product"), reading.value(layer)
    if given.transpose or (given.HasField("axis") and given.axis != 1):
        raise NoLayerError("it is transposed, or along another axis than 1")
    bias = given.bias_term or not given.HasField("bias_term")
    shapes = [(given.num_output, value.volume.values)] + [(given.num_output,)] * bias
    arrays = reading.weights(layer, *shapes)
    made = reading.add(layer, Fc(given.num_output, bias), [value], **_named(("weight", "bias"), arrays))
    return Value.of(made.path, made.volume)


def _batchnorm(reading: CaffeReading, layer: CaffeLayer) -> Value:
    """Normalisation alone, without scale and shift; the sums are divided by the third array."""
    given, value = layer.of("batch_norm"), reading.value(layer)
    eps = _decimal(given.eps) if given.HasField("eps") else 1e-5
    kept = _decimal(given.moving_average_fraction) if given.HasField("moving_average_fraction") else 0.999
    depth = value.volume.depth
    weights: dict[str, Array] = {}
    if arrays := reading.weights(layer, (depth,), (depth,), (1,)):
        share = 1 / arrays[2][0] if arrays[2][0] else 0.0
        one = np.ones(depth, np.float32)
        weights = {"weight": one, "bias": 0 * one}
        weights |= {"running_mean": arrays[0] * share, "running_var": arrays[1] * share}
    return reading.add(layer, BatchNorm(eps, _decimal(1 - kept)), [value], **weights)


def _scale(reading: CaffeReading, layer: CaffeLayer) -> Value:
    given, value = layer.of("scale"), reading.value(layer)
    axis = given.axis if given.HasField("axis") else 1
    if len(layer.bottoms) == 2 and axis == 0 and not given.bias_term:  # a gate, one number per map
        says = reading.value(layer, 1)
        if says.volume.plane == (1, 1) and says.volume.depth == value.volume.depth:
            return reading.builder.add(Multiply(), [value, says], "")
    if len(layer.bottoms) > 1 or axis != 1:
        raise NoLayerError("it scales by another value, or along another axis than 1")
    depth = value.volume.depth
    one = np.ones(depth)
    arrays = reading.weights(layer, (depth,), *([(depth,)] * given.bias_term)) or [one, one]
    shift = arrays[1] if given.bias_term else 0 * one
    return reading.builder.affine(value, arrays[0].astype(np.float64), shift, layer.name.replace("/", "."))


def _power(reading: CaffeReading, layer: CaffeLayer) -> Value:
    given, value = layer.of("power"), reading.value(layer)
    if given.HasField("power") and given.power != 1:
        raise NoLayerError(f"it raises values to the power of {given.power:g}")
    one = np.ones(value.volume.depth)
    scale = given.scale if given.HasField("scale") else 1.0
    return reading.builder.affine(value, scale * one, given.shift * one, layer.name.replace("/", "."))


def _relu(reading: CaffeReading, layer: CaffeLayer) -> Value:
    slope = layer.of("relu").negative_slope
    made = LeakyRelu(_decimal(slope)) if slope else Relu()
    return reading.add(layer, made, [reading.value(layer)])


def _prelu(reading: CaffeReading, layer: CaffeLayer) -> Value:
    value, shared = reading.value(layer), bool(layer.of("prelu").channel_shared)
    arrays = reading.weights(layer, (1 if shared else value.volume.depth,))
    return reading.add(layer, PRelu(shared), [value], **_named(("weight",), arrays))


def _elu(reading: CaffeReading, layer: CaffeLayer) -> Value:
    given = layer.of("elu")
    made = Elu(_decimal(given.alpha) if given.HasField("alpha") else 1.0)
    return reading.add(layer, made, [reading.value(layer)])


def _dropout(reading: CaffeReading, layer: CaffeLayer) -> Value:
    given = layer.of("dropout")
    made = Dropout(_decimal(given.dropout_ratio) if given.HasField("dropout_ratio") else 0.5)
    return reading.add(layer, made, [reading.value(layer)])


def _softmax(reading: CaffeReading, layer: CaffeLayer) -> Value:
    if layer.type == "Softmax" and layer.of("softmax").HasField("axis") and layer.of("softmax").axis != 1:
        raise NoLayerError("it is not over the depth")
    return reading.add(layer, Softmax(), [reading.value(layer)])


def _concat(reading: CaffeReading, layer: CaffeLayer) -> Value:
    given = layer.of("concat")
    axes = {getattr(given, name) for name in ("axis", "concat_dim") if given.HasField(name)}
    if axes - {1}:
        raise NoLayerError("it does not join along the depth")
    values = [reading.value(layer, at) for at in range(len(layer.bottoms))]
    return values[0] if len(values) == 1 else reading.builder.add(Concat(), values, "")


def _eltwise(reading: CaffeReading, layer: CaffeLayer) -> Value:
    given = layer.of("eltwise")
    operation = given.operation if given.HasField("operation") else SUM
    values = [reading.value(layer, at) for at in range(len(layer.bottoms))]
    if operation == SUM and all(factor == 1 for factor in given.coeff):
        return reading.builder.add(Add(), values, "")
    if operation == PROD and len(values) == 2:
        if reading.builder.leads(values[1].path, values[0].path):
            values.reverse()
        return reading.builder.add(Multiply(), values, "")
    raise NoLayerError("it takes the largest of values, or a sum with factors")


def _axpy(reading: CaffeReading, layer: CaffeLayer) -> Value:
    """A gate and a sum, a · x + y: a layer of Hu et al.'s own Caffe. Source: axpy_layer.cpp of SENet."""
    factor, seen, beside = (reading.value(layer, at) for at in range(3))
    gated = reading.builder.add(Multiply(), [seen, factor], "")
    return reading.builder.add(Add(), [gated, beside], "")


def _plain(made: Layer) -> Reader:
    return lambda reading, layer: reading.add(layer, made, [reading.value(layer)])


def _same(reading: CaffeReading, layer: CaffeLayer) -> Value:
    return reading.value(layer)


def _flatten(reading: CaffeReading, layer: CaffeLayer) -> Value:
    value = reading.value(layer)
    flat = value.reshaped((value.batch, value.volume.values))
    assert flat is not None
    return flat


def _reshape(reading: CaffeReading, layer: CaffeLayer) -> Value:
    given, value = layer.of("reshape"), reading.value(layer)
    if given.axis or (given.HasField("num_axes") and given.num_axes != -1):
        raise NoLayerError("it changes a part of the axes")
    wanted = [value.shape[at] if side == 0 else side for at, side in enumerate(given.shape.dim)]
    found = value.reshaped(wanted)
    if found is None:
        raise NoLayerError(f"it makes {wanted} of {list(value.shape)}, which mixes maps")
    return found


def _maps(reading: CaffeReading, layer: CaffeLayer) -> Value:
    value = reading.value(layer)
    if not value.are_maps:
        raise NoLayerError(f"its input is flat: {value.volume.values} values")
    return value


def _decimal(number: float) -> float:
    return float(f"{number:.7g}")


Reader = Callable[[CaffeReading, CaffeLayer], Value]

READERS: dict[str, Reader] = {
    "Axpy": _axpy,
    "BatchNorm": _batchnorm,
    "Concat": _concat,
    "Convolution": _convolution,
    "Deconvolution": _convolution,
    "Dropout": _dropout,
    "ELU": _elu,
    "Eltwise": _eltwise,
    "Flatten": _flatten,
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "PReLU": _prelu,
    "Pooling": _pooling,
    "Power": _power,
    "ReLU": _relu,
    "Reshape": _reshape,
    "Scale": _scale,
    "Sigmoid": _plain(Sigmoid()),
    "Softmax": _softmax,
    "SoftmaxWithLoss": _softmax,
    "Split": _same,
    "TanH": _plain(Tanh()),
}
"""For each type of layer, what reads it."""
