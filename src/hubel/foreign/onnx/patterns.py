"""Nodes that together are one layer: what exporters make of functions that an opset lacks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from hubel.foreign.onnx.reading import Node, Reading
from hubel.net.activations import Gelu, HardSigmoid, HardSwish, Mish, Silu, Softplus
from hubel.net.layer import Layer
from hubel.net.norms import Lrn

Pattern: TypeAlias = "str | float | tuple[str | Pattern, ...]"
"""`x` for the value that the layer takes, a constant number, or an operation with its operands.

`Scale` is a product with a number, or a division by its inverse. Operands of `Add` and `Mul` have no order.
"""

_ERF: Pattern = ("Add", ("Erf", ("Scale", "x", math.sqrt(0.5))), 1.0)

_CUBES: tuple[Pattern, ...] = (("Pow", "x", 3.0), ("Mul", ("Mul", "x", "x"), "x"))
_TANHS: tuple[Pattern, ...] = tuple(
    ("Add", ("Tanh", ("Scale", ("Add", "x", ("Scale", cube, 0.044715)), math.sqrt(2 / math.pi))), 1.0)
    for cube in _CUBES
)
"""1 + tanh(√(2/π) · (x + 0.044715 · x³)); `_ERF` is what it stands for."""

_SIXTH = 1 / 6
_CUT: Pattern = ("Clip", ("Add", "x", 3.0), 0.0, 6.0)
_HARD: tuple[Pattern, ...] = (("Scale", _CUT, _SIXTH), ("HardSigmoid", "x", _SIXTH, 0.5))

_SOFTPLUS: Pattern = ("Where", ("Greater", "x", 20.0), "x", ("Softplus", "x"))
"""PyTorch's, which is the line itself from 20 on; there the curve is the line to the last bit of float32."""

PATTERNS: list[tuple[Layer, Pattern]] = [
    *(
        (Gelu(tanh=tanh), pattern)
        for tanh, both in ((False, (_ERF,)), (True, _TANHS))
        for one in both
        for pattern in (
            ("Scale", ("Mul", "x", one), 0.5),
            ("Mul", "x", ("Scale", one, 0.5)),
            ("Mul", ("Scale", "x", 0.5), one),
        )
    ),
    (Mish(), ("Mul", "x", ("Tanh", ("Softplus", "x")))),
    (Mish(), ("Mul", "x", ("Tanh", _SOFTPLUS))),
    (Softplus(), _SOFTPLUS),
    (Silu(), ("Mul", "x", ("Sigmoid", "x"))),
    *((HardSwish(), ("Mul", "x", hard)) for hard in _HARD),
    (HardSwish(), ("Scale", ("Mul", "x", _CUT), _SIXTH)),
    *((HardSigmoid(), hard) for hard in _HARD),
]
"""Each layer with what it is written as; the last operation comes first."""

_LAST = {"Scale": ("Mul", "Div")}


def matched(reading: Reading, node: Node) -> tuple[Layer, str] | None:
    """Returns the layer that a node completes and the name of the value that it takes, or None."""
    if node.op == "Div":
        found_lrn = _lrn(reading, node)
        if found_lrn:
            return found_lrn
    for layer, pattern in PATTERNS:
        assert isinstance(pattern, tuple)
        if node.op in _LAST.get(str(pattern[0]), (pattern[0],)):
            found = _Match(reading).node(pattern, node, "")
            if found:
                return layer, found
    return None


_SHAPES = ("Reshape", "Squeeze", "Unsqueeze", "Identity", "Transpose", "Pad")
"""Operations that keep the values of their first input, zeros around them aside."""


def _lrn(reading: Reading, node: Node) -> tuple[Layer, str] | None:
    """X / (k + alpha · mean of x²)^beta, as PyTorch's exporter writes it: the mean is a pooling over maps."""
    power = _made(reading, node.inputs[1], "Pow")
    plus = power and _made(reading, power.inputs[0], "Add")
    if not power or not plus:
        return None
    (scaled, k), beta = _number_of(reading, plus), _number(reading, power.inputs[1])
    times = _made(reading, scaled, "Mul")
    if k is None or beta is None or not times:
        return None
    mean, alpha = _number_of(reading, times)
    pool = _made(reading, _values_of(reading, mean), "AveragePool")
    square = pool and _made(reading, _values_of(reading, pool.inputs[0]), "Mul", "Pow")
    if alpha is None or not pool or not square or square.inputs[0] != node.inputs[0]:
        return None
    size = int(np.prod(pool.get("kernel_shape", (1,))))
    return Lrn(size, decimal(alpha / size), decimal(beta), decimal(k)), node.inputs[0]


def _made(reading: Reading, name: str, *ops: str) -> Node | None:
    """The node that makes a value, if it is one of these operations."""
    node = reading.producers.get(name)
    return node if node and node.op in ops else None


def _values_of(reading: Reading, name: str) -> str:
    """The value that has these values in another shape; of a choice between shapes, either branch's."""
    node = reading.producers.get(name)
    while node and (node.op in _SHAPES or node.op == "If"):
        name = node.get("else_branch", None).node[0].input[0] if node.op == "If" else node.inputs[0]
        node = reading.producers.get(name)
    return name


def _number(reading: Reading, name: str) -> float | None:
    constant = reading.constants.get(name)
    return None if constant is None or constant.size != 1 else float(np.asarray(constant).reshape(-1)[0])


def _number_of(reading: Reading, node: Node) -> tuple[str, float | None]:
    """The operand of a sum or product that is no number, and the number."""
    first, second = node.inputs[:2]
    number = _number(reading, second)
    return (first, number) if number is not None else (second, _number(reading, first))


def decimal(number: float) -> float:
    """Returns a number of 32 bits as it was meant: 2e-05 for 1.9999999494757503e-05."""
    return float(f"{number:.7g}")


@dataclass(slots=True)
class _Match:
    """A comparison of nodes with a pattern. Each step returns what `x` is; an empty text where it differs."""

    reading: Reading

    def node(self, pattern: Pattern, node: Node | None, x: str) -> str:
        """Compares a node with an operation."""
        assert isinstance(pattern, tuple)
        if node is None:
            return ""
        op, *operands = pattern
        given: list[str | float] = list(node.inputs)
        if op == "Scale" and node.op in ("Mul", "Div"):
            factor = operands[1]
            assert isinstance(factor, float)
            operands = [operands[0], factor if node.op == "Mul" else 1 / factor]
            op = node.op
        if op != node.op:
            return ""
        if op == "Clip" and "min" in node.attributes:
            given += [node.get("min", -math.inf), node.get("max", math.inf)]
        if op == "HardSigmoid":
            given += [node.get("alpha", 0.2), node.get("beta", 0.5)]
        if len(given) != len(operands):
            return ""
        orders = [given, given[::-1]] if op in ("Add", "Mul") else [given]
        return next((found for order in orders if (found := self._operands(operands, order, x))), "")

    def _operands(self, patterns: list[Pattern], given: list[str | float], x: str) -> str:
        found = x
        for pattern, operand in sorted(
            zip(patterns, given, strict=True), key=lambda pair: isinstance(pair[0], float)
        ):
            if isinstance(pattern, float):
                if not self._is_number(operand, pattern):
                    return ""
                continue
            assert isinstance(operand, str)
            if pattern == "x":
                if operand in self.reading.constants or found not in ("", operand):
                    return ""
                found = operand
            else:
                found = self.node(pattern, self.reading.producers.get(operand), found)
            if not found:
                return ""
        return found

    def _is_number(self, operand: str | float, wanted: float) -> bool:
        if isinstance(operand, str):
            number = _number(self.reading, operand)
            if number is None:
                return False
            operand = number
        return math.isclose(operand, wanted, rel_tol=1e-3, abs_tol=1e-6)
