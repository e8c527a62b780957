"""One reading of an ONNX graph: its nodes in order, constants, and the values that steps make."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from hubel.foreign.builder import Builder, NoLayerError
from hubel.foreign.found import Array
from hubel.foreign.value import Value

OPERATION = re.compile(r"[A-Z]\w*")
"""How the name of an operation begins, where it is the last part of a node's name."""

AGAIN = re.compile(r"(.*[^\d_])_(\d+)")
"""The name of a part that is called again."""

_MADE = r"_\d+|:\d+|_[Tt]ransposed|_quantized|_DequantizeLinear_Output|_float"
WEIGHT = re.compile(rf"(^|[._/])(weight|kernel|gamma|W|w)({_MADE})*$")
"""How the name of a layer's weight ends, what quantisers put behind it included."""

PLAIN = re.compile(r"\d*|onnx::.*|(x|n|val|node|tensor)_?\d+|node_.*", re.IGNORECASE)
"""A name that says nothing."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What PyTorch's newer exporter notes of a node: the module's path, and the call there that made it.

    `leaf` says that the module is one of PyTorch's own, whose every call is a layer.
    """

    path: str
    call: str
    leaf: bool

    @classmethod
    def of(cls, proto: NodeProto) -> Scope | None:
        """Returns the scope of a node, None where none is noted."""
        said = {each.key.removeprefix("pkg.torch.onnx."): each.value for each in proto.metadata_props}
        try:
            paths, kinds = (literal_eval(said[key]) for key in ("name_scopes", "class_hierarchy"))
            return cls(str(paths[-2]), str(paths[-1]), str(kinds[-2]).startswith("torch.nn."))
        except (KeyError, IndexError, TypeError, ValueError, SyntaxError):
            return None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One node. `inputs` are names, empty for one that is left out; `scope` is where a module made it."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    scope: Scope | None = None

    @classmethod
    def of(cls, proto: NodeProto) -> Node:
        """Reads a node."""
        attributes = {each.name: helper.get_attribute_value(each) for each in proto.attribute}
        texts = {name: value.decode() for name, value in attributes.items() if isinstance(value, bytes)}
        own = proto.domain in ("", "ai.onnx")
        op = proto.op_type if own else f"{proto.domain}.{proto.op_type}"
        given = tuple(proto.input), tuple(proto.output), attributes | texts
        return cls(op, proto.name, *given, Scope.of(proto))

    def get(self, name: str, default: Any) -> Any:
        """Returns an attribute."""
        return self.attributes.get(name, default)

    def __str__(self) -> str:
        return f"{self.name or self.outputs[0]} ({self.op})"


@dataclass(frozen=True, slots=True, eq=False)
class Unread:
    """A value that is not known: the `node` that no layer is, why, and how many steps were read before."""

    node: Node
    why: str
    steps: int


class UnreadValueError(Exception):
    """A node reads a value that is not known."""

    def __init__(self, unread: Unread) -> None:
        super().__init__(unread.why)
        self.unread = unread


@dataclass(slots=True, eq=False)
class Reading:
    """One reading. `opset` is the version of the operators."""

    builder: Builder
    opset: int
    constants: dict[str, Array]
    values: dict[str, Value | Unread] = field(default_factory=dict)
    producers: dict[str, Node] = field(default_factory=dict)
    """The node that made each value, behind those that only pass it on."""

    calls: dict[str, list[str]] = field(default_factory=dict)
    """The calls of each module so far, by its path."""

    ends: frozenset[str] = frozenset()
    """The outputs of the graph, and what is only passed on to them."""

    def value(self, node: Node, at: int = 0) -> Value:
        """Returns an input of a node that depends on the image.

        Raises UnreadValueError: it is not known. Raises NoLayerError: it is constant, or not there.
        """
        found = self.values.get(node.inputs[at]) if at < len(node.inputs) else None
        if isinstance(found, Unread):
            raise UnreadValueError(found)
        if found is None:
            raise NoLayerError(f"its input {at} does not depend on the image")
        return found

    def maps(self, node: Node, at: int = 0) -> Value:
        """Returns an input that is n x depth x height x width. Raises NoLayerError: it is not."""
        value = self.value(node, at)
        if not value.are_maps:
            raise NoLayerError(f"its input is not n x depth x height x width but {list(value.shape)}")
        return value

    def constant(self, node: Node, at: int, what: str = "") -> Array | None:
        """Returns a constant input of a node, None where it is left out.

        Raises NoLayerError: it depends on the image; `what` says what it is. Raises UnreadValueError.
        """
        name = node.inputs[at] if at < len(node.inputs) else ""
        if not name:
            return None
        if isinstance(unread := self.values.get(name), Unread):
            raise UnreadValueError(unread)
        if name not in self.constants:
            raise NoLayerError(f"its {what or f'input {at}'} depends on the image")
        return self.constants[name]

    def ints(self, node: Node, name: str, at: int) -> list[int] | None:
        """Returns integers that are an attribute, or in newer opsets an input."""
        if name in node.attributes:
            return [int(each) for each in np.atleast_1d(node.attributes[name])]
        found = self.constant(node, at, name)
        return None if found is None else [int(each) for each in np.atleast_1d(found)]

    def number(self, node: Node, name: str, at: int, default: float) -> float:
        """Returns a number that is an attribute, or in newer opsets an input."""
        if name in node.attributes:
            return float(node.attributes[name])
        found = self.constant(node, at, name)
        return default if found is None else float(found.reshape(-1)[0])

    def name(self, node: Node) -> str:
        """Returns what a node's layer is called: its weight's name, or its own; empty if they say nothing.

        `/layer1/layer1.0/conv1/Conv`, as PyTorch writes it, is `layer1.0.conv1`; `/relu_1/Relu`, the second
        call of `relu`, is `relu_2`, as `hubel notation` has it.
        """
        weight = next((WEIGHT.sub("", each) for each in node.inputs[1:] if WEIGHT.search(each)), "")
        if weight and not PLAIN.fullmatch(weight):
            return _dotted(weight.split("/"))
        if node.scope is not None:
            return self._scoped(node.scope)
        words = [word for word in re.split(r"[/:]", node.name) if word]
        if words and (len(words) > 1 or node.name.startswith("/")) and OPERATION.fullmatch(words[-1]):
            words.pop()
        name = _dotted(words)
        if node.name.startswith("/") and (again := AGAIN.fullmatch(name)):
            first, number = again.groups()
            if first in self.builder.names.values():
                return f"{first}_{int(number) + 1}"
        return "" if PLAIN.fullmatch(name) or re.fullmatch(rf"{node.op}[_.]?\d*", name) else name

    def _scoped(self, scope: Scope) -> str:
        """Returns the path of a module, with a number from its second call on."""
        if not scope.leaf:
            return scope.path
        calls = self.calls.setdefault(scope.path, [])
        if scope.call not in calls:
            calls.append(scope.call)
        number = calls.index(scope.call) + 1
        return scope.path if number == 1 else f"{scope.path}_{number}"


def _dotted(words: Sequence[str]) -> str:
    """Returns the parts of a name with dots between; one that the next part begins with is left out."""
    after = [*words, ""][1:]
    kept = [word for word, inner in zip(words, after, strict=False) if not inner.startswith(f"{word}.")]
    return ".".join(part for word in kept for part in word.split(".") if part)


def fold(proto: NodeProto, inputs: Sequence[Array | None], opset: int) -> list[Array]:
    """Returns the outputs of a node whose inputs are all constant. Raises NoLayerError: it fails."""
    if proto.op_type == "Constant" and len(proto.attribute) == 1 and proto.attribute[0].name == "value":
        return [numpy_helper.to_array(proto.attribute[0].t)]
    if proto.op_type == "Identity" and inputs[0] is not None:  # weights that layers share
        return [inputs[0]]
    if proto.op_type == "DequantizeLinear":  # the reference lacks those of older opsets
        if any(each.name == "block_size" and each.i for each in proto.attribute):
            raise NoLayerError("its weights are quantised in blocks")
        axis = next((each.i for each in proto.attribute if each.name == "axis"), 1)
        whole, scale, zero = (*inputs, None)[:3]
        assert whole is not None
        return [dequantised(whole, scale, zero, axis)]
    try:
        if opset >= NEWER and proto.op_type in ON_SIZES:
            return [np.asarray(ON_SIZES[proto.op_type](Node.of(proto), *inputs))]
        return _by_reference(proto, inputs, opset)
    except Exception as error:  # whatever an operation on constants raises, the node is not read
        raise NoLayerError(f"its constant inputs give none: {error}") from None


def _by_reference(proto: NodeProto, inputs: Sequence[Array | None], opset: int) -> list[Array]:
    """Returns what ONNX's own reference computes."""
    from onnx.reference import ReferenceEvaluator  # half a second to import, and most files need none

    given = {name: array for name, array in zip(proto.input, inputs, strict=True) if name}
    taken = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in given]  # of any type
    outputs = [helper.make_empty_tensor_value_info(name) for name in proto.output]
    graph = helper.make_graph([proto], "constant", taken, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made: Any = ReferenceEvaluator(model).run(None, given)
    return [np.asarray(each) for each in made]


def _slice(_node: Node, whole: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Array:
    cuts = [slice(None)] * whole.ndim
    for at, axis in enumerate(range(len(starts)) if axes is None else axes):
        cuts[axis] = slice(starts[at], ends[at], 1 if steps is None else steps[at])
    return np.asarray(whole[tuple(cuts)])


NEWER = 13
"""Since which opset these operators have their present form."""

ON_SIZES: dict[str, Callable[..., Any]] = {
    "Concat": lambda node, *parts: np.concatenate(parts, node.get("axis", 0)),
    "Gather": lambda node, whole, at: np.take(whole, at, node.get("axis", 0)),
    "Slice": _slice,
    "Unsqueeze": lambda _node, whole, axes: np.expand_dims(whole, tuple(axes.tolist())),
}
"""What exporters compute with sizes, so that most files do not need the reference."""


def dequantised(whole: Array, scale: Any, zero: Any, axis: int) -> Array:
    """Returns the numbers that bytes stand for, (whole - zero) · scale, per tensor or along an axis."""
    shape = [-1 if at == axis % whole.ndim else 1 for at in range(whole.ndim)] if np.size(scale) > 1 else []
    apart = whole.astype(np.float32)
    if zero is not None:
        apart = apart - np.asarray(zero, np.float32).reshape(shape if np.size(zero) > 1 else [])
    return np.asarray(apart * np.asarray(scale, np.float32).reshape(shape), np.float32)
