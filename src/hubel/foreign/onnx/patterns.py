"""Nodes that together are one layer: what exporters make of functions that an opset lacks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from hubel.foreign.onnx.reading import Node, Reading
from hubel.net.layer import Layer
from hubel.net.layers import Gelu

Pattern: TypeAlias = "str | float | tuple[str | Pattern, ...]"
"""`x` for the value that the layer takes, a constant number, or an operation with its operands.

`Scale` is a product with a number, or a division by its inverse. Operands of `Add` and `Mul` have no order.
"""

_ERF: Pattern = ("Add", ("Erf", ("Scale", "x", math.sqrt(0.5))), 1.0)

PATTERNS: list[tuple[Layer, Pattern]] = [
    (Gelu(), ("Scale", ("Mul", "x", _ERF), 0.5)),
    (Gelu(), ("Mul", "x", ("Scale", _ERF, 0.5))),
    (Gelu(), ("Mul", ("Scale", "x", 0.5), _ERF)),
]
"""Each layer with what it is written as; the last operation comes first."""

_LAST = {"Scale": ("Mul", "Div")}


def matched(reading: Reading, node: Node) -> tuple[Layer, str] | None:
    """Returns the layer that a node completes and the name of the value that it takes, or None."""
    for layer, pattern in PATTERNS:
        assert isinstance(pattern, tuple)
        if node.op in _LAST.get(str(pattern[0]), (pattern[0],)):
            found = _Match(reading).node(pattern, node, "")
            if found:
                return layer, found
    return None


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
            constant = self.reading.constants.get(operand)
            if constant is None or constant.size != 1:
                return False
            operand = float(np.asarray(constant).reshape(-1)[0])
        return math.isclose(operand, wanted, rel_tol=1e-3, abs_tol=1e-6)
