"""A graph of halves or bytes as one of 32-bit floats: what was rounded to fit into fewer bits is so no more.

Float16 is widened. `QuantizeLinear` and its inverse pass values on; operators on bytes are those on floats,
with the weights that the bytes stand for. A relu that a quantiser left to the range of the bytes, which then
begins at 0, is a node again.
Source: onnx.ai/onnx/operators, and ContribOperators.md of ONNX Runtime for the domain com.microsoft.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from hubel.foreign.builder import NoLayerError
from hubel.foreign.found import Array
from hubel.foreign.onnx.file import OnnxFile
from hubel.foreign.onnx.reading import Node, dequantised
from hubel.net.trace import UnreadError

HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)

NEVER_NEGATIVE = ("Relu", "Sigmoid", "HardSigmoid", "Softmax")
KEEP_SIGN = (
    *("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Dropout", "Add", "Mul", "Concat"),
    *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice", "Split"),
)
"""Operators that make no negative values, and those that make none of values that are none."""

SIX = 6.0
"""Where a range of bytes ends that stands for a relu with limit 6."""

CLIP_TAKES = 11
"""Since which opset `Clip` takes its limits as inputs."""

WIDENED = "values in float16 are widened to float32"
UNROUNDED = "quantised values are read back to float: nothing is rounded between layers"


def in_floats(file: OnnxFile) -> tuple[OnnxFile, tuple[str, ...]]:
    """Returns a file's network in 32-bit floats, and remarks on what was changed.

    Raises UnreadError: an operator on bytes is none on floats.
    """
    graph = file.graph
    kinds = {_kind(array) for array in file.weights.values()}
    kinds |= {each.type.tensor_type.elem_type for each in (*graph.input, *graph.output)}
    kinds |= {each.t.data_type for node in graph.node for each in node.attribute}
    halves = not kinds.isdisjoint(HALVES)
    whole = any(node.op_type in OPERATORS for node in graph.node)
    if not halves and not whole:
        return file, ()
    model = ModelProto()
    model.CopyFrom(file.model)
    weights = dict(file.weights)
    if halves:
        _widen(model.graph, weights)
    if whole:
        constants = {
            node.output[0]: numpy_helper.to_array(node.attribute[0].t)
            for node in model.graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        }
        lowering = _Lowering(weights, constants, file.opset)
        for node in [*model.graph.node]:
            try:
                lowering.take(node)
            except NoLayerError as error:
                which = f"{file.path}: node {Node.of(node)}"
                raise UnreadError(f"{which} is no layer of hubel: {error}") from None
        del model.graph.node[:]
        model.graph.node.extend(lowering.nodes)
    del model.graph.value_info[:]
    return replace(file, model=model, weights=weights), (WIDENED,) * halves + (UNROUNDED,) * whole


def _kind(array: Array) -> int:
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def _widen(graph: GraphProto, weights: dict[str, Array]) -> None:
    """Makes every half a float: weights, constants, and the types of inputs, outputs and casts."""
    for name, array in weights.items():
        if _kind(array) in HALVES:
            weights[name] = array.astype(np.float32)
    for each in (*graph.input, *graph.output):
        if each.type.tensor_type.elem_type in HALVES:
            each.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.t.data_type in HALVES:
                wide = numpy_helper.to_array(attribute.t).astype(np.float32)
                attribute.t.CopyFrom(numpy_helper.from_array(wide))
            elif node.op_type == "Cast" and attribute.i in HALVES:
                attribute.i = TensorProto.FLOAT


@dataclass(slots=True)
class _Lowering:
    """The nodes of a graph while those on bytes become ones on floats."""

    weights: dict[str, Array]
    constants: dict[str, Array]
    opset: int
    nodes: list[NodeProto] = field(default_factory=list)
    made: dict[str, NodeProto] = field(default_factory=dict)

    def take(self, node: NodeProto) -> None:
        """Adds a node, or what it is on floats."""
        lower = OPERATORS.get(node.op_type)
        if lower is None or (node.op_type == "DequantizeLinear" and self.known(node.input[0]) is not None):
            self.add(node)
        else:
            lower(self, node)

    def add(self, node: NodeProto) -> None:
        """Adds a node."""
        self.nodes.append(node)
        self.made |= dict.fromkeys(node.output, node)

    def known(self, name: str) -> Any:
        """Returns a constant, None for what is none."""
        found = self.weights.get(name)
        return self.constants.get(name) if found is None else found

    def number(self, name: str) -> Any:
        """Returns a scale, a zero or a bias. Raises NoLayerError: it depends on the image."""
        found = self.known(name)
        if found is None:
            raise NoLayerError(f"{name or 'its scale'} is no constant")
        return found

    def on_floats(self, node: NodeProto, op: str, inputs: Sequence[str]) -> None:
        """Adds a node on floats in place of one on bytes, with its attributes."""
        made = NodeProto(op_type=op, name=node.name, input=inputs, output=node.output)
        made.metadata_props.extend(node.metadata_props)
        made.attribute.extend(each for each in node.attribute if each.name != "channels_last")
        self.add(made)

    def float_of(self, node: NodeProto, at: int, axis: int = 0) -> str:
        """Returns the name of an input whose scale and zero follow it; a constant is added as floats."""
        name, scale, zero = tuple[str, ...](node.input[at : at + 3])
        whole = self.known(name)
        if whole is None:
            return name
        return self.new(name, dequantised(whole, self.number(scale), self.known(zero), axis))

    def new(self, name: str, array: Array) -> str:
        """Returns the name of a new weight."""
        name = name.removesuffix("_quantized")
        while name in self.weights:
            name += "_float"
        self.weights[name] = array
        return name

    def bias(self, node: NodeProto, at: int) -> list[str]:
        """Returns the bias of a node in floats; its scale is the product of the input's and the weight's."""
        if at >= len(node.input) or not node.input[at]:
            return []
        first, second = (np.asarray(self.number(node.input[each]), np.float32) for each in (1, 4))
        return [self.new(node.input[at], (self.number(node.input[at]) * first * second).astype(np.float32))]

    def ranged(self, value: str, scale: str, zero: str, made: str) -> None:
        """Adds what a range of bytes does: a relu where the range begins at 0 and the values do not."""
        step, start = self.number(scale), self.number(zero) if zero else np.uint8(0)
        whole = np.issubdtype(start.dtype, np.integer) and np.size(step) == 1
        limits = np.iinfo(start.dtype if whole else np.uint8)
        if not whole or int(np.max(start)) != limits.min or self.never_negative(value):
            self.add(helper.make_node("Identity", [value], [made]))
            return
        end = float(np.max(step)) * (limits.max - limits.min)
        if abs(end / SIX - 1) > 1e-3:
            self.add(helper.make_node("Relu", [value], [made]))
        elif self.opset < CLIP_TAKES:
            self.add(helper.make_node("Clip", [value], [made], min=0.0, max=SIX))
        else:
            ends = [self.new(f"{made}_limit", np.asarray(each, np.float32)) for each in (0, SIX)]
            self.add(helper.make_node("Clip", [value, *ends], [made]))

    def never_negative(self, name: str) -> bool:
        """Whether a value cannot be negative, by the nodes that make it; the graph's input counts as such."""
        node = self.made.get(name)
        if node is None:
            constant = self.known(name)
            return constant is None or bool(np.all(constant >= 0))
        if node.op_type == "Clip":
            low = Node.of(node).get("min", None) if len(node.input) < 2 else self.known(node.input[1])
            return low is not None and bool(np.all(np.asarray(low) >= 0))
        given = node.input if node.op_type in ("Add", "Mul", "Concat") else node.input[:1]
        return node.op_type in NEVER_NEGATIVE or (
            node.op_type in KEEP_SIGN and all(map(self.never_negative, given))
        )


def _rounded(lowering: _Lowering, node: NodeProto) -> None:
    zero = node.input[2] if len(node.input) > 2 else ""
    lowering.ranged(node.input[0], node.input[1], zero, node.output[0])


def _passed(lowering: _Lowering, node: NodeProto) -> None:
    lowering.add(helper.make_node("Identity", node.input[:1], node.output, name=node.name))


def _ending(op: str, scale: int) -> Callable[[_Lowering, NodeProto, Sequence[str]], None]:
    """An operator whose output has the scale at `scale`: adds it on floats, and what its range does."""

    def end(lowering: _Lowering, node: NodeProto, inputs: Sequence[str]) -> None:
        if any(each.name == "channels_last" and each.i for each in node.attribute):
            raise NoLayerError("its depth is its last axis")
        inner = NodeProto()
        inner.CopyFrom(node)
        inner.output[0] = f"{node.output[0]}_float"
        lowering.on_floats(inner, op, inputs)
        lowering.ranged(inner.output[0], node.input[scale], node.input[scale + 1], node.output[0])

    return end


def _conv(lowering: _Lowering, node: NodeProto) -> None:
    weight, bias = lowering.float_of(node, 3), lowering.bias(node, 8)
    _ending("Conv", 6)(lowering, node, [node.input[0], weight, *bias])


def _matmul(lowering: _Lowering, node: NodeProto) -> None:
    _ending("MatMul", 6)(lowering, node, [node.input[0], lowering.float_of(node, 3, axis=-1)])


def _gemm(lowering: _Lowering, node: NodeProto) -> None:
    given = Node.of(node).attributes
    if given.get("alpha", 1.0) != 1:
        raise NoLayerError("it has a factor, alpha")
    weight = lowering.float_of(node, 3, axis=0 if given.get("transB", 0) else 1)
    _ending("Gemm", 7)(lowering, node, [node.input[0], weight, *lowering.bias(node, 6)])


def _joined(op: str) -> Callable[[_Lowering, NodeProto], None]:
    """A sum or product of two values, either of which may be constant."""
    return lambda lowering, node: _ending(op, 6)(
        lowering, node, [lowering.float_of(node, 0), lowering.float_of(node, 3)]
    )


def _of_one(op: str) -> Callable[[_Lowering, NodeProto], None]:
    """An operation on one value."""
    return lambda lowering, node: _ending(op, 3)(lowering, node, node.input[:1])


def _concat(lowering: _Lowering, node: NodeProto) -> None:
    values = [lowering.float_of(node, at) for at in range(2, len(node.input), 3)]
    _ending("Concat", 0)(lowering, node, values)


def _dynamic(lowering: _Lowering, node: NodeProto) -> None:
    """Bytes whose scale depends on the values: the values themselves, of scale 1 and zero 0."""
    value, scale, zero = node.output
    lowering.add(helper.make_node("Identity", node.input, [value]))
    lowering.weights[scale], lowering.weights[zero] = np.float32(1), np.uint8(0)  # type: ignore[assignment]


def _integer(op: str) -> Callable[[_Lowering, NodeProto], None]:
    """A product of bytes without scales, which are multiplied with later."""

    def lower(lowering: _Lowering, node: NodeProto) -> None:
        name = node.input[1]
        zero = lowering.known(node.input[3]) if len(node.input) > 3 else None
        one = np.float32(1)
        weight = lowering.new(name, dequantised(lowering.number(name), one, zero, 0 if op == "Conv" else -1))
        lowering.on_floats(node, op, [node.input[0], weight])

    return lower


OPERATORS: dict[str, Callable[[_Lowering, NodeProto], None]] = {
    "ConvInteger": _integer("Conv"),
    "DequantizeLinear": _passed,
    "DynamicQuantizeLinear": _dynamic,
    "MatMulInteger": _integer("MatMul"),
    "QGemm": _gemm,
    "QLinearAdd": _joined("Add"),
    "QLinearAveragePool": _of_one("AveragePool"),
    "QLinearConcat": _concat,
    "QLinearConv": _conv,
    "QLinearGlobalAveragePool": _of_one("GlobalAveragePool"),
    "QLinearLeakyRelu": _of_one("LeakyRelu"),
    "QLinearMatMul": _matmul,
    "QLinearMul": _joined("Mul"),
    "QLinearSigmoid": _of_one("Sigmoid"),
    "QuantizeLinear": _rounded,
}
"""For each operator on bytes, what adds it on floats."""
