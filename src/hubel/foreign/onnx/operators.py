"""What each operator of ONNX is: a layer, a part of one, or a change of shape alone.

`READERS` has a function for each operator, which returns its value or raises NoLayerError.
Source: onnx.ai/onnx/operators, opsets 6 to 24.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hubel.foreign.builder import NoLayerError
from hubel.foreign.found import Array
from hubel.foreign.onnx import shapes, windows
from hubel.foreign.onnx.patterns import decimal
from hubel.foreign.onnx.reading import Node, Reading
from hubel.foreign.value import Value
from hubel.net.activations import (
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    PRelu,
    Relu,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)
from hubel.net.layer import Layer
from hubel.net.layers import Add, Concat, Dropout, Fc, GlobalAvgPool, Multiply, Softmax
from hubel.net.norms import BatchNorm, GroupNorm, LayerNorm, Lrn
from hubel.net.sliding import Conv

Reader = Callable[[Reading, Node], Value]


def _elementwise(layer: Callable[[Reading, Node], Layer]) -> Reader:
    """Reads a layer that takes values in any shape."""
    return lambda reading, node: reading.builder.add(
        layer(reading, node), [reading.value(node)], reading.name(node)
    )


def _clip(reading: Reading, node: Node) -> Layer:
    low = reading.number(node, "min", 1, -math.inf)
    high = reading.number(node, "max", 2, math.inf)
    if low != 0 or high < 1e-6:
        raise NoLayerError(f"it limits values to {low:g} … {high:g}, and relu begins at 0")
    return Relu(None if high > 1e30 else high)


def _gelu(_reading: Reading, node: Node) -> Layer:
    return Gelu(tanh=node.get("approximate", "none") == "tanh")


def _leakyrelu(_reading: Reading, node: Node) -> Layer:
    return LeakyRelu(decimal(node.get("alpha", 0.01)))


def _elu(_reading: Reading, node: Node) -> Layer:
    return Elu(decimal(node.get("alpha", 1.0)))


def _hardsigmoid(reading: Reading, node: Node) -> Value:
    """x/6 + 1/2 from 0 to 1; another line is a factor and a summand before a relu with limit 1."""
    value, name = reading.value(node), reading.name(node)
    alpha, beta = decimal(node.get("alpha", 0.2)), decimal(node.get("beta", 0.5))
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return reading.builder.add(HardSigmoid(), [value], name)
    one = np.ones(value.volume.depth)
    line = reading.builder.affine(value, alpha * one, beta * one, "")
    return reading.builder.add(Relu(1.0), [line], name)


def _swish(_reading: Reading, node: Node) -> Layer:
    if node.get("alpha", 1.0) != 1:
        raise NoLayerError("silu has no other slope than 1")
    return Silu()


def _prelu(reading: Reading, node: Node) -> Value:
    value = reading.value(node)
    slopes = reading.constant(node, 1, "slope")
    assert slopes is not None
    per_map = value.per_depth(slopes)
    if per_map is None:
        raise NoLayerError(f"its slopes are {list(slopes.shape)}, not one per map")
    shared = slopes.size == 1
    weight = per_map[:1] if shared else per_map
    return reading.builder.add(PRelu(shared), [value], reading.name(node), weight=weight)


def _layernorm(reading: Reading, node: Node) -> Value:
    value = reading.value(node)
    if value.axes[-1] != "c" or node.get("axis", -1) % len(value.axes) != len(value.axes) - 1:
        raise NoLayerError("it is not over the maps of each place")
    weight, bias = reading.constant(node, 1, "scale"), reading.constant(node, 2, "bias")
    assert weight is not None
    given = {"weight": weight, "bias": np.zeros_like(weight) if bias is None else bias}
    layer = LayerNorm(decimal(node.get("epsilon", 1e-5)))
    return reading.builder.add(layer, [value], reading.name(node), **given)


def _groupnorm(reading: Reading, node: Node) -> Value:
    value = reading.maps(node)
    groups = int(node.attributes["num_groups"])
    weight, bias = reading.constant(node, 1, "scale"), reading.constant(node, 2, "bias")
    assert weight is not None
    assert bias is not None
    if len(weight) != value.volume.depth:  # in opset 18 one number per group
        share = value.volume.depth // groups
        weight, bias = np.repeat(weight, share), np.repeat(bias, share)
    layer = GroupNorm(groups, decimal(node.get("epsilon", 1e-5)))
    return reading.builder.add(layer, [value], reading.name(node), weight=weight, bias=bias)


def _instancenorm(reading: Reading, node: Node) -> Value:
    """Each map by itself; between reshapes to groups of maps, as PyTorch writes it, each group."""
    before = reading.producers.get(node.inputs[0])
    grouped = before is not None and before.op == "Reshape"
    value = reading.maps(before if grouped and before else node)
    weight, bias = reading.constant(node, 1, "scale"), reading.constant(node, 2, "bias")
    assert weight is not None
    assert bias is not None
    share, rest = divmod(value.volume.depth, len(weight))
    if grouped and before:
        wanted = reading.ints(before, "shape", 1) or []
        if len(wanted) < 3 or wanted[1] not in (len(weight), 0) or rest:
            raise NoLayerError(f"it normalises {wanted}, which are no groups of maps")
    layer = GroupNorm(len(weight), decimal(node.get("epsilon", 1e-5)))
    weights = {"weight": np.repeat(weight, share), "bias": np.repeat(bias, share)}
    return reading.builder.add(layer, [value], reading.name(node), **weights)


def _logsoftmax(reading: Reading, node: Node) -> Value:
    """A softmax: scores are the values before it, whether the file takes logarithms or not."""
    if node.outputs[0] not in reading.ends:
        raise NoLayerError("a log-softmax is only read where the scores end")
    reading.builder.remark("the file ends in a log-softmax: the model's scores are the values before it")
    return _softmax(reading, node)


def _dropout(reading: Reading, node: Node) -> Layer:
    return Dropout(reading.number(node, "ratio", 1, 0.5))


def _softmax(reading: Reading, node: Node) -> Value:
    value = reading.value(node)
    axis = node.get("axis", -1 if reading.opset >= 13 else 1) % len(value.axes)
    rest = (letter for letter in "".join(value.axes) if letter not in ("n", "c"))
    if value.axes[axis] not in ("c", "") or (reading.opset < 13 and any(rest)):
        raise NoLayerError("it is not over the depth")
    return reading.builder.add(Softmax(), [value], reading.name(node))


def _batchnorm(reading: Reading, node: Node) -> Value:
    value = reading.value(node)
    if value.depth_axis != 1:
        raise NoLayerError("its second axis is not the depth")
    given = [reading.constant(node, at, what) for at, what in enumerate(("", *_STATISTICS)) if at]
    weights = {name: array for name, array in zip(_STATISTICS, given, strict=True) if array is not None}
    layer = BatchNorm(decimal(node.get("epsilon", 1e-5)), decimal(1 - decimal(node.get("momentum", 0.9))))
    return reading.builder.add(layer, [value], reading.name(node), **weights)


_STATISTICS = ("weight", "bias", "running_mean", "running_var")


def _lrn(reading: Reading, node: Node) -> Value:
    value = reading.maps(node)
    size = int(node.attributes["size"])
    if size % 2 == 0:
        raise NoLayerError("over an even number of maps it takes one more behind, lrn one more before")
    alpha, beta = float(node.get("alpha", 1e-4)), float(node.get("beta", 0.75))
    layer = Lrn(size, decimal(alpha / size), decimal(beta), decimal(float(node.get("bias", 1.0))))
    return reading.builder.add(layer, [value], reading.name(node))


def _gemm(reading: Reading, node: Node) -> Value:
    weight = reading.constant(node, 1, "weight")
    assert weight is not None
    if node.get("transA", 0):
        raise NoLayerError("it transposes its input")
    weight = weight if node.get("transB", 0) else weight.T
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    bias = reading.constant(node, 2, "bias")
    return _fc(
        reading,
        node,
        weight if alpha == 1 else weight * np.float32(alpha),
        None if bias is None else np.broadcast_to(bias * np.float32(beta), (1, len(weight)))[0],
    )


def _matmul(reading: Reading, node: Node) -> Value:
    weight = reading.constant(node, 1, "weight")
    assert weight is not None
    if weight.ndim != 2:
        raise NoLayerError(f"its weight has {weight.ndim} axes, not two")
    value = reading.value(node)
    if value.axes[-1] == "c" and len(value.axes) > 2:  # the same linear map at every position
        layer = Conv(weight.shape[1], 1, bias=False)
        return reading.builder.add(layer, [value], reading.name(node), weight=weight.T[:, :, None, None])
    return _fc(reading, node, weight.T, None)


def _fc(reading: Reading, node: Node, weight: Array, bias: Array | None) -> Value:
    """A fully connected layer; columns of another order than depth, height, width are put into that one."""
    value = reading.value(node)
    if not value.is_flat:
        raise NoLayerError(f"its input is not n x values but {list(value.shape)}")
    if weight.shape[1] != value.volume.values:
        raise NoLayerError(f"it takes {weight.shape[1]} values, not {value.volume.values}")
    weight = value.columns(weight)
    weights = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    made = reading.builder.add(Fc(len(weight), bias is not None), [value], reading.name(node), **weights)
    return Value(made.path, made.volume, (value.axes[0], "c" if made.volume.depth > 1 else ""), value.batch)


def _concat(reading: Reading, node: Node) -> Value:
    values = [reading.value(node, at) for at in range(len(node.inputs))]
    first = values[0]
    axis = int(node.get("axis", 1)) % len(first.axes)
    if any(value.depth_axis != axis for value in values) or len({len(value.axes) for value in values}) > 1:
        raise NoLayerError("it does not join along the depth")
    return first if len(values) == 1 else reading.builder.add(Concat(), values, "")


def _sum(reading: Reading, node: Node) -> Value:
    values = [reading.value(node, at) for at in range(len(node.inputs))]
    if len({(value.volume, value.axes) for value in values}) > 1:
        shapes = " and ".join(str(list(value.shape)) for value in values)
        raise NoLayerError(f"it adds values of different shapes, {shapes}")
    return values[0] if len(values) == 1 else reading.builder.add(Add(), values, "")


def _arithmetic(reading: Reading, node: Node) -> Value:
    """Add, Sub, Mul or Div: of two values, or of one with a constant per map."""
    on_image = [name not in reading.constants for name in node.inputs]
    if all(on_image):
        return _of_two(reading, node)
    at = on_image.index(True)
    value = reading.value(node, at)
    constant = reading.constants[node.inputs[1 - at]]
    if "axis" in node.attributes:  # before opset 7: where the constant's first axis lies
        behind = len(value.axes) - node.attributes["axis"] - constant.ndim
        constant = constant.reshape(*constant.shape, *[1] * behind)
    per_map = value.per_depth(constant)
    if per_map is None:
        raise NoLayerError(f"its constant of {list(constant.shape)} is not one number per map")
    one, zero = np.ones_like(per_map), np.zeros_like(per_map)
    match node.op, at:
        case "Add", _:
            scale, shift = one, per_map
        case "Mul", _:
            scale, shift = per_map, zero
        case "Sub", 0:
            scale, shift = one, -per_map
        case "Sub", _:
            scale, shift = -one, per_map
        case "Div", 0:
            scale, shift = 1 / per_map, zero
        case _:
            raise NoLayerError("it divides a constant by values")
    if np.all(scale == 1) and not shift.any():
        return value
    return reading.builder.affine(value, scale, shift, reading.name(node))


def _of_two(reading: Reading, node: Node) -> Value:
    if node.op == "Add":
        return _sum(reading, node)
    if node.op != "Mul":
        raise NoLayerError({"Sub": "a difference"}.get(node.op, "a quotient") + " of values")
    seen, says = reading.value(node, 0), reading.value(node, 1)
    if says.volume.values > seen.volume.values or reading.builder.leads(says.path, seen.path):
        seen, says = says, seen
    if len(seen.axes) != len(says.axes):
        raise NoLayerError(f"a product of {list(seen.shape)} and {list(says.shape)}")
    return reading.builder.add(Multiply(), [seen, says], "")


def _limits(reading: Reading, node: Node) -> Value:
    """Max or Min with a number: relu, and the limit of one."""
    on_image = [name not in reading.constants for name in node.inputs]
    numbers = [reading.constants[name] for name in node.inputs if name in reading.constants]
    if sum(on_image) != 1 or len(numbers) != 1 or numbers[0].size != 1:
        raise NoLayerError("it compares values")
    value, number = reading.value(node, on_image.index(True)), float(numbers[0].reshape(-1)[0])
    if node.op == "Max":
        if number != 0:
            raise NoLayerError(f"it begins at {number:g}, and relu at 0")
        return reading.builder.add(Relu(), [value], reading.name(node))
    step = reading.builder.steps.get(value.path)
    if step is None or step.layer != Relu() or number < 1e-6:
        raise NoLayerError(f"it limits values to {number:g} that are not those of a relu")
    return reading.builder.add(Relu(number), [value], reading.name(node))


def _mean(reading: Reading, node: Node) -> Value:
    value = reading.value(node)
    axes = reading.ints(node, "axes", 1)
    over = sorted({at % len(value.axes) for at in axes} if axes else range(len(value.axes)))
    letters = "".join(value.axes[at] for at in over)
    plane = {letter for letter, size in value.letters() if letter in "hw"}
    if set(letters) != plane or len(value.axes) < 3:
        raise NoLayerError("it is not over height and width")
    made = reading.builder.add(GlobalAvgPool(), [value], reading.name(node))
    if node.get("keepdims", 1):
        return made
    return replace(made, axes=tuple(axis for at, axis in enumerate(made.axes) if at not in over))


def _plain(layer: Layer) -> Reader:
    return _elementwise(lambda _reading, _node: layer)


READERS: dict[str, Reader] = {
    "Add": _arithmetic,
    "AveragePool": windows.avgpool,
    "BatchNormalization": _batchnorm,
    "Cast": shapes.same,
    "Clip": _elementwise(_clip),
    "Concat": _concat,
    "Conv": windows.conv,
    "ConvTranspose": windows.convtranspose,
    "Div": _arithmetic,
    "Dropout": _elementwise(_dropout),
    "Elu": _elementwise(_elu),
    "Flatten": shapes.flatten,
    "Gelu": _elementwise(_gelu),
    "Gemm": _gemm,
    "GlobalAveragePool": windows.globalavgpool,
    "GlobalMaxPool": windows.globalmaxpool,
    "GroupNormalization": _groupnorm,
    "HardSigmoid": _hardsigmoid,
    "HardSwish": _plain(HardSwish()),
    "Identity": shapes.same,
    "InstanceNormalization": _instancenorm,
    "LRN": _lrn,
    "LayerNormalization": _layernorm,
    "LeakyRelu": _elementwise(_leakyrelu),
    "LogSoftmax": _logsoftmax,
    "MatMul": _matmul,
    "Max": _limits,
    "MaxPool": windows.maxpool,
    "Min": _limits,
    "Mish": _plain(Mish()),
    "Mul": _arithmetic,
    "PRelu": _prelu,
    "Pad": windows.pad,
    "ReduceMean": _mean,
    "Relu": _plain(Relu()),
    "Reshape": shapes.reshape,
    "Resize": windows.resize,
    "Sigmoid": _plain(Sigmoid()),
    "Slice": shapes.cut,
    "Softmax": _softmax,
    "Softplus": _plain(Softplus()),
    "Squeeze": shapes.squeeze,
    "Sub": _arithmetic,
    "Sum": _sum,
    "Swish": _elementwise(_swish),
    "Tanh": _plain(Tanh()),
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.unsqueeze,
    "Upsample": windows.resize,
}
"""For each operator, what reads it."""
