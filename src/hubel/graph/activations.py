"""How activations are written as operations of ONNX; see `hubel.graph.layers`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hubel.graph.writer import Graph, layer_of
from hubel.net.activations import Elu, Gelu, LeakyRelu, Relu, Tanh

if TYPE_CHECKING:
    from hubel.net.trace import Step


def relu(graph: Graph, step: Step, value: str) -> str:
    """max(0, x), up to a limit if there is one."""
    limit = layer_of(step, Relu).limit
    if limit is None:
        return graph.op("Relu", value, name=step.path)
    bounds = graph.const(np.float32(0)), graph.const(np.float32(limit))
    return graph.op("Clip", value, *bounds, name=step.path)


def tanh(graph: Graph, step: Step, value: str) -> str:
    """The hyperbolic tangent, scaled."""
    layer = layer_of(step, Tanh)
    if layer == Tanh():
        return graph.op("Tanh", value, name=step.path)
    inner = graph.op("Tanh", graph.op("Mul", value, graph.const(np.float32(layer.slope))))
    return graph.op("Mul", inner, graph.const(np.float32(layer.amplitude)), name=step.path)


def sigmoid(graph: Graph, step: Step, value: str) -> str:
    """1 / (1 + exp(-x))."""
    return graph.op("Sigmoid", value, name=step.path)


def gelu(graph: Graph, step: Step, value: str) -> str:
    """Of the error function, or of tanh: opset 17 has no operation for it."""
    if layer_of(step, Gelu).tanh:
        cube = graph.op("Mul", graph.op("Mul", value, value), value)
        line = graph.op("Add", value, graph.op("Mul", cube, graph.const(np.float32(0.044715))))
        inner = graph.op("Tanh", graph.op("Mul", line, graph.const(np.float32(math.sqrt(2 / math.pi)))))
    else:
        inner = graph.op("Erf", graph.op("Mul", value, graph.const(np.float32(math.sqrt(0.5)))))
    twice = graph.op("Mul", value, graph.op("Add", inner, graph.const(np.float32(1))))
    return graph.op("Mul", twice, graph.const(np.float32(0.5)), name=step.path)


def softplus(graph: Graph, step: Step, value: str) -> str:
    """log(1 + exp(x))."""
    return graph.op("Softplus", value, name=step.path)


def mish(graph: Graph, step: Step, value: str) -> str:
    """Of tanh and softplus: opset 17 has no operation for it."""
    return graph.op("Mul", value, graph.op("Tanh", graph.op("Softplus", value)), name=step.path)


def silu(graph: Graph, step: Step, value: str) -> str:
    """Of the sigmoid: opset 17 has no operation for it."""
    return graph.op("Mul", value, graph.op("Sigmoid", value), name=step.path)


def hardsigmoid(graph: Graph, step: Step, value: str) -> str:
    """The sigmoid in straight lines: x / 6 + 1/2, from 0 to 1."""
    return graph.op("HardSigmoid", value, name=step.path, alpha=1 / 6, beta=0.5)


def hardswish(graph: Graph, step: Step, value: str) -> str:
    """The input times its sigmoid in straight lines."""
    return graph.op("HardSwish", value, name=step.path)


def leakyrelu(graph: Graph, step: Step, value: str) -> str:
    """The input where it is positive, else its product with a slope."""
    return graph.op("LeakyRelu", value, name=step.path, alpha=layer_of(step, LeakyRelu).slope)


def elu(graph: Graph, step: Step, value: str) -> str:
    """The input where it is positive, else an exponential."""
    return graph.op("Elu", value, name=step.path, alpha=layer_of(step, Elu).alpha)


def prelu(graph: Graph, step: Step, value: str) -> str:
    """Trained slopes, one for all maps or one for each."""
    slopes, _ = graph.frozen.weights[step.path]
    per_map = slopes if value in graph.flat else slopes.reshape(-1, 1, 1)
    return graph.op("PRelu", value, graph.const(per_map, f"{step.path}.weight"), name=step.path)
