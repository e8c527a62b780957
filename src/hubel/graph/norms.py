"""How normalisations are written as operations of ONNX; see `hubel.graph.layers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hubel.graph.writer import Graph, layer_of
from hubel.net.norms import GroupNorm, LayerNorm, Lrn

if TYPE_CHECKING:
    from hubel.net.trace import Step


def lrn(graph: Graph, step: Step, value: str) -> str:
    """Local response normalisation: ONNX divides alpha by the size, and so do Caffe and PyTorch.

    With an even size ONNX takes one map more after than before, PyTorch before than after: then the
    sums are a convolution with kernels of zeros and ones.
    """
    layer = layer_of(step, Lrn)
    if layer.within:
        return _within(graph, step, value)
    if layer.size % 2:
        return graph.op(
            "LRN",
            value,
            name=step.path,
            size=layer.size,
            alpha=layer.alpha * layer.size,
            beta=layer.beta,
            bias=layer.k,
        )
    place = np.arange(step.output.depth)
    apart = place[None] - place[:, None]
    near = (apart >= -(layer.size // 2)) & (apart < layer.size - layer.size // 2)
    sums = graph.op(
        "Conv", graph.op("Mul", value, value), graph.const(near[..., None, None].astype(np.float32))
    )
    return _divided(graph, step, value, sums, layer.alpha)


def _within(graph: Graph, step: Step, value: str) -> str:
    """Response normalisation within a map: the sums are means times the number of places."""
    layer = layer_of(step, Lrn)
    means = graph.op(
        "AveragePool",
        graph.op("Mul", value, value),
        kernel_shape=[layer.size] * 2,
        pads=[layer.size // 2] * 4,
        count_include_pad=1,
    )
    return _divided(graph, step, value, means, layer.alpha * layer.size**2)


def _divided(graph: Graph, step: Step, value: str, sums: str, alpha: float) -> str:
    """A value divided by (k + alpha · sums)^beta."""
    layer = layer_of(step, Lrn)
    scaled = graph.op("Mul", sums, graph.const(np.float32(alpha)))
    whole = graph.op("Add", scaled, graph.const(np.float32(layer.k)))
    power = graph.op("Pow", whole, graph.const(np.float32(layer.beta)))
    return graph.op("Div", value, power, name=step.path)


def batchnorm(graph: Graph, step: Step, value: str) -> str:
    """A factor and a summand per map: no layer was there to fold them into."""
    factor, summand = graph.frozen.weights[step.path]
    assert summand is not None
    shape = (1, -1) if value in graph.flat else (1, -1, 1, 1)
    scaled = graph.op("Mul", value, graph.const(factor.reshape(shape), f"{step.path}.weight"))
    return graph.op("Add", scaled, graph.const(summand.reshape(shape), f"{step.path}.bias"), name=step.path)


def layernorm(graph: Graph, step: Step, value: str) -> str:
    """Over the last axis, to which the maps are moved and back."""
    weight, bias = graph.frozen.weights[step.path]
    assert bias is not None
    names = graph.const(weight, f"{step.path}.weight"), graph.const(bias, f"{step.path}.bias")
    eps = layer_of(step, LayerNorm).eps
    if value in graph.flat:
        return graph.op("LayerNormalization", value, *names, name=step.path, epsilon=eps)
    last = graph.op("Transpose", value, perm=[0, 2, 3, 1])
    normed = graph.op("LayerNormalization", last, *names, epsilon=eps)
    return graph.op("Transpose", normed, perm=[0, 3, 1, 2], name=step.path)


def groupnorm(graph: Graph, step: Step, value: str) -> str:
    """A group as one instance: opset 17 has no operation for groups."""
    layer, (high, wide, depth) = layer_of(step, GroupNorm), step.output
    weight, bias = graph.frozen.weights[step.path]
    assert bias is not None
    groups = graph.op("Reshape", value, graph.ints(0, layer.groups, -1))
    ones, zeros = (graph.const(np.full(layer.groups, number, np.float32)) for number in (1, 0))
    normed = graph.op("InstanceNormalization", groups, ones, zeros, epsilon=layer.eps)
    whole = graph.op("Reshape", normed, graph.ints(0, depth, high, wide))
    scaled = graph.op("Mul", whole, graph.const(weight.reshape(-1, 1, 1), f"{step.path}.weight"))
    return graph.op("Add", scaled, graph.const(bias.reshape(-1, 1, 1), f"{step.path}.bias"), name=step.path)


def layerscale(graph: Graph, step: Step, value: str) -> str:
    """A factor per map: no layer was there to fold it into."""
    factor, _ = graph.frozen.weights[step.path]
    shape = (1, -1) if value in graph.flat else (1, -1, 1, 1)
    return graph.op("Mul", value, graph.const(factor.reshape(shape), f"{step.path}.weight"), name=step.path)
