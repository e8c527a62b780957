"""How each kind of layer is written as operations of ONNX.

A function takes the graph, the step, and the names of the values that the step reads, and returns the name of
its output. Every size is explicit: pooling that rounds up becomes padding at the far side alone, because
runtimes do not agree on `ceil_mode`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.graph import activations as write_activations
from hubel.graph import norms as write_norms
from hubel.graph.writer import Graph, layer_of
from hubel.net import activations, growing, layers, norms, sliding
from hubel.net.activations import ACTIVATIONS
from hubel.net.trace import INPUT
from hubel.net.window import Axis, Window, pair

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.net.layer import Layer
    from hubel.net.trace import Step

LAST = np.iinfo(np.int64).max


def conv(graph: Graph, step: Step, value: str) -> str:
    """A convolution, with its zeros on each side as they are.

    A kernel that fits into the padding gets zeros around it, and so many more pixels of padding: the outputs
    are the same. OpenVINO 2026.4.1 leaves outputs that see padding alone as they happen to be in memory, and
    takes the stride of a 1x1 kernel to be that of the layer before it, without its padding.
    """
    layer = layer_of(step, sliding.Conv)
    window = layer.window(step.inputs[0])
    top, bottom, left, right = window.zeros
    wider = [0, 0]
    if layer.pad_mode == "zeros":
        wider = [_wider(axis) for axis in window.axes]
    else:
        pads = graph.ints(0, 0, top, left, 0, 0, bottom, right)
        value = graph.op("Pad", value, pads, mode=MODES[layer.pad_mode])
        top = bottom = left = right = 0
    down, across = (more * axis.dilation for more, axis in zip(wider, window.axes, strict=True))
    return graph.op(
        "Conv",
        value,
        *graph.parameters(step, wider),
        name=step.path,
        kernel_shape=[side + 2 * more for side, more in zip(pair(layer.size), wider, strict=True)],
        strides=list(pair(layer.stride)),
        dilations=list(pair(layer.dilation)),
        group=layer.groups,
        pads=[top + down, left + across, bottom + down, right + across],
    )


def convtranspose(graph: Graph, step: Step, value: str) -> str:
    """A transposed convolution."""
    layer = layer_of(step, growing.ConvTranspose)
    return graph.op(
        "ConvTranspose",
        value,
        *graph.parameters(step),
        name=step.path,
        kernel_shape=list(pair(layer.size)),
        strides=list(pair(layer.stride)),
        dilations=list(pair(layer.dilation)),
        group=layer.groups,
        pads=[*pair(layer.pad), *pair(layer.pad)],
        output_padding=list(pair(layer.output_pad)),
    )


def upsample(graph: Graph, step: Step, value: str) -> str:
    """Upsampling by whole factors."""
    layer = layer_of(step, growing.Upsample)
    scales = graph.const(np.array((1, 1, *pair(layer.factor)), np.float32))
    how = NEAREST if layer.mode == "nearest" else LINEAR
    return graph.op("Resize", value, "", scales, name=step.path, **how)


MODES = {"reflect": "reflect", "replicate": "edge"}
"""ONNX's names of what is beyond the edge."""

NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
LINEAR = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
"""ONNX's names of the ways to upsample."""


def _wider(axis: Axis) -> int:
    """How many zeros a kernel gets on either side, so that each of its positions is over the input."""
    inside = axis.even + max(axis.extra) - axis.reach
    return inside // axis.dilation + 1 if inside >= 0 else 0


def maxpool(graph: Graph, step: Step, value: str) -> str:
    """Max pooling: padding never counts."""
    window = step.layer.window(step.inputs[0])
    return graph.op("MaxPool", value, name=step.path, **_pooling(window, step.inputs[0].plane))


def avgpool(graph: Graph, step: Step, value: str) -> str:
    """Average pooling: zeros of the padding may count, but not what rounding up adds at the far side."""
    window, plane = step.layer.window(step.inputs[0]), step.inputs[0].plane
    if not layer_of(step, sliding.AvgPool).count_pad:
        return graph.op("AveragePool", value, name=step.path, count_include_pad=0, **_pooling(window, plane))
    counted = [
        _counted(axis, inputs, outputs)
        for axis, inputs, outputs in zip(window.axes, plane, step.output.plane, strict=True)
    ]
    share = np.float32(window.area) / np.outer(*counted).astype(np.float32)
    whole = bool((share == 1).all())
    pool = {"name": step.path} if whole else {}
    mean = graph.op("AveragePool", value, count_include_pad=1, **pool, **_pooling(window, plane))
    return mean if whole else graph.op("Mul", mean, graph.const(share[None, None]), name=step.path)


def subsample(graph: Graph, step: Step, value: str) -> str:
    """LeNet's pooling: a convolution of each map by itself, all of whose weights are the coefficient."""
    size = list(pair(layer_of(step, sliding.Subsample).size))
    weight, bias = graph.frozen.weights[step.path]
    assert bias is not None
    kernels = np.broadcast_to(weight[:, None, None, None], (len(weight), 1, *size))
    inputs = (graph.const(kernels, f"{step.path}.weight"), graph.const(bias, f"{step.path}.bias"))
    return graph.op(
        "Conv", value, *inputs, name=step.path, group=len(weight), strides=size, kernel_shape=size
    )


def padshortcut(graph: Graph, step: Step, value: str) -> str:
    """Every so-manieth position, and maps of zeros behind."""
    down, across = pair(layer_of(step, sliding.PadShortcut).stride)
    cut = (graph.ints(0, 0), graph.ints(LAST, LAST), graph.ints(2, 3), graph.ints(down, across))
    kept = graph.op("Slice", value, *cut)
    more = step.output.depth - step.inputs[0].depth
    return graph.op("Pad", kept, graph.ints(0, 0, 0, 0, 0, more, 0, 0), name=step.path, mode="constant")


def globalavgpool(graph: Graph, step: Step, value: str) -> str:
    """The mean of each map."""
    return graph.op("GlobalAveragePool", value, name=step.path)


def adaptiveavgpool(graph: Graph, step: Step, value: str) -> str:
    """Means of even windows; where they are uneven, of each band of rows, then of each of columns.

    A product with a matrix would say the same: but behind one OpenVINO takes a factor per map for one per
    column (seen with 2026.4.1).
    """
    plane, wanted = step.inputs[0].plane, step.output.plane
    if plane == wanted:
        return graph.op("Identity", value, name=step.path)
    if all(inputs % outputs == 0 for inputs, outputs in zip(plane, wanted, strict=True)):
        size = [inputs // outputs for inputs, outputs in zip(plane, wanted, strict=True)]
        return graph.op("AveragePool", value, name=step.path, kernel_shape=size, strides=size)
    for axis, (inputs, outputs) in enumerate(zip(plane, wanted, strict=True), 2):
        bands = [_mean_of_band(graph, value, axis, *band) for band in _bands(inputs, outputs)]
        value = graph.op("Concat", *bands, axis=axis, name=step.path if axis == 3 else "")
    return value


def fc(graph: Graph, step: Step, value: str) -> str:
    """A product of the flattened volume."""
    return graph.op("Gemm", graph.flattened(value), *graph.parameters(step), name=step.path, transB=1)


def rbf(graph: Graph, step: Step, value: str) -> str:
    """The negative squared distance to each class's code."""
    codes, _ = graph.frozen.weights[step.path]
    one = graph.op("Unsqueeze", graph.flattened(value), graph.ints(1))
    apart = graph.op("Sub", one, graph.const(codes[None], f"{step.path}.codes"))
    sums = graph.op("ReduceSum", graph.op("Mul", apart, apart), graph.ints(2), keepdims=0)
    return graph.op("Neg", sums, name=step.path)


def softmax(graph: Graph, step: Step, value: str) -> str:
    """Probabilities over the depth."""
    return graph.op("Softmax", value, name=step.path, axis=1)


def part(graph: Graph, step: Step, value: str) -> str:
    """Some of the maps."""
    maps = layer_of(step, layers.Part).maps(step.inputs[0].depth)
    cut = (graph.ints(maps.start), graph.ints(maps.stop), graph.ints(1))
    return graph.op("Slice", value, *cut, name=step.path)


def shuffle(graph: Graph, step: Step, value: str) -> str:
    """The maps of several groups, dealt out in turn."""
    groups, (high, wide, depth) = layer_of(step, layers.Shuffle).groups, step.output
    apart = graph.op("Reshape", value, graph.ints(0, groups, depth // groups, high, wide))
    dealt = graph.op("Transpose", apart, perm=[0, 2, 1, 3, 4])
    return graph.op("Reshape", dealt, graph.ints(0, depth, high, wide), name=step.path)


def multiply(graph: Graph, step: Step, value: str, factors: str) -> str:
    """A gate: a volume times what its branch says."""
    return graph.op("Mul", value, factors, name=step.path)


def concat(graph: Graph, step: Step, *values: str) -> str:
    """Branches side by side."""
    return graph.op("Concat", *values, name=step.path, axis=1)


def add(graph: Graph, step: Step, *values: str) -> str:
    """The sum of branches."""
    total = values[0]
    for number, value in enumerate(values[1:], 2):
        total = graph.op("Add", total, value, name=step.path if number == len(values) else "")
    return total


FLAT = (
    *ACTIVATIONS,
    *(layers.Fc, layers.Rbf, layers.Softmax, layers.Part),
    *(norms.BatchNorm, norms.LayerNorm, norms.LayerScale),
    *(layers.Concat, layers.Add, layers.Multiply),
)
"""The layers that take values without height and width as well."""

WRITERS: dict[type[Layer], Callable[..., str]] = {
    sliding.Conv: conv,
    sliding.MaxPool: maxpool,
    sliding.AvgPool: avgpool,
    sliding.Subsample: subsample,
    sliding.PadShortcut: padshortcut,
    growing.ConvTranspose: convtranspose,
    growing.Upsample: upsample,
    layers.GlobalAvgPool: globalavgpool,
    layers.AdaptiveAvgPool: adaptiveavgpool,
    activations.Relu: write_activations.relu,
    activations.LeakyRelu: write_activations.leakyrelu,
    activations.PRelu: write_activations.prelu,
    activations.Elu: write_activations.elu,
    activations.Gelu: write_activations.gelu,
    activations.Mish: write_activations.mish,
    activations.Softplus: write_activations.softplus,
    activations.Silu: write_activations.silu,
    activations.HardSwish: write_activations.hardswish,
    activations.Tanh: write_activations.tanh,
    activations.Sigmoid: write_activations.sigmoid,
    activations.HardSigmoid: write_activations.hardsigmoid,
    norms.Lrn: write_norms.lrn,
    norms.BatchNorm: write_norms.batchnorm,
    norms.LayerNorm: write_norms.layernorm,
    norms.GroupNorm: write_norms.groupnorm,
    norms.LayerScale: write_norms.layerscale,
    layers.Fc: fc,
    layers.Rbf: rbf,
    layers.Softmax: softmax,
    layers.Part: part,
    layers.Shuffle: shuffle,
    layers.Concat: concat,
    layers.Add: add,
    layers.Multiply: multiply,
}
"""For each kind of layer, what writes its operations and returns the name of its output."""


def write_network(graph: Graph, images: str) -> str:
    """The network itself; returns its scores, n x classes."""
    names = graph.names
    names[INPUT] = images
    for step in graph.frozen.steps:
        sources = [names[source] for source in step.sources]
        if graph.rounds(step):
            sources = [graph.rounded(source, names[source]) for source in step.sources]
        all_flat = all(source in graph.flat for source in sources)
        if not (all_flat and isinstance(step.layer, FLAT)):
            sources = [graph.unflattened(source) for source in sources]
        names[step.path] = WRITERS[type(step.layer)](graph, step, *sources)
        if isinstance(step.layer, layers.Fc | layers.Rbf) or (all_flat and isinstance(step.layer, FLAT)):
            graph.flat.add(names[step.path])
    return graph.flattened(names[graph.frozen.end])


def _pooling(window: Window, plane: tuple[int, int]) -> dict[str, Any]:
    """The attributes of a pooling; rounding up is padding at the far side."""
    far = [_far(axis, inputs) for axis, inputs in zip(window.axes, plane, strict=True)]
    return {
        "kernel_shape": [axis.size for axis in window.axes],
        "strides": [axis.stride for axis in window.axes],
        "pads": [*(axis.pad for axis in window.axes), *far],
    }


def _far(axis: Axis, inputs: int) -> int:
    """The padding at the far side with which rounding down gives the axis's positions."""
    last = (axis.positions(inputs) - 1) * axis.stride - axis.pad + axis.reach
    return max(axis.pad + axis.more if not axis.ceil else 0, last - inputs)


def _counted(axis: Axis, inputs: int, outputs: int) -> npt.NDArray[np.int64]:
    """How many values count in each window: those of the input and of the padding on either side."""
    starts = np.arange(outputs) * axis.stride - axis.pad
    return np.minimum(starts + axis.size, inputs + axis.pad + axis.more) - starts


def _bands(inputs: int, outputs: int) -> list[tuple[int, int]]:
    """The windows of adaptive pooling along an axis: where each begins and ends."""
    return [(at * inputs // outputs, -(-(at + 1) * inputs // outputs)) for at in range(outputs)]


def _mean_of_band(graph: Graph, value: str, axis: int, first: int, end: int) -> str:
    """The mean of some rows or columns, as one of them."""
    band = graph.op("Slice", value, graph.ints(first), graph.ints(end), graph.ints(axis))
    return band if end - first == 1 else graph.op("ReduceMean", band, axes=[axis], keepdims=1)
