"""A frozen network as an ONNX graph: uint8 images in, probabilities out; or normalised images in, scores out.

The graph is written layer by layer from the network's steps, so that it has the network's own names, and
needs no framework. Every size is explicit: pooling that rounds up becomes padding at the far side alone,
because runtimes do not agree on `ceil_mode`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from hubel.net import layers, sliding
from hubel.net.trace import INPUT
from hubel.net.window import Axis, Window, pair

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.graph.frozen import Frozen
    from hubel.net.layer import Layer
    from hubel.net.trace import Step

OPSET = 17
"""The version of ONNX's operators. Source: onnx.ai/onnx/operators."""

IR_VERSION = 8
"""The version of the file format that goes with opset 17."""

IMAGES, SCORES, PROBABILITIES = "images", "scores", "probabilities"
BATCH = "n"
"""The name of the batch axis, which is dynamic."""

Kind = TypeVar("Kind", bound="Layer")

LAST = np.iinfo(np.int64).max
FIRST = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Ends:
    """What surrounds a network in its graph.

    `mean` and `std` normalise values from 0 to 1, per channel. The scores are the mean over the `views` of
    an image; divided by `temperature` they give the probabilities. With `raw`, images are given normalised
    and scores are returned.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    views: str = "one"
    temperature: float = 1.0
    raw: bool = False
    probabilities: bool = True


def onnx_model(frozen: Frozen, ends: Ends, metadata: Mapping[str, str] | None = None) -> ModelProto:
    """Returns the ONNX model of a network; it is checked by ONNX's own checker.

    Its input is `images`: uint8, n x height x width x depth; with `raw` float32, n x depth x height x width.
    Its output is `probabilities` or `scores`: float32, n x classes.
    """
    graph = _Graph(frozen)
    depth, (high, wide) = frozen.volume.depth, frozen.volume.plane
    if ends.raw:
        shape: tuple[Any, ...] = (BATCH, depth, high, wide)
        kind = TensorProto.FLOAT
        seen = IMAGES
    else:
        shape, kind = (BATCH, high, wide, depth), TensorProto.UINT8
        seen = graph.normalised(ends)
        seen = graph.views(seen, ends.views, frozen.volume.plane)
    scores = graph.network(seen)
    if not ends.raw:
        scores = graph.mean_of_views(scores, ends.views)
    out = SCORES
    if not ends.raw and ends.probabilities:
        out = PROBABILITIES
        warm = graph.op("Div", scores, graph.const(np.float32(ends.temperature)))
        graph.op("Softmax", warm, name=out, axis=1)
    else:
        graph.op("Identity", scores, name=out)
    classes = frozen.output.values
    proto = helper.make_graph(
        graph.nodes,
        "hubel",
        [helper.make_tensor_value_info(IMAGES, kind, shape)],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, (BATCH, classes))],
        graph.constants,
    )
    model = helper.make_model(
        proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="hubel"
    )
    helper.set_model_props(model, dict(metadata or {}))
    checker.check_model(model)
    return model


@dataclass(slots=True)
class _Graph:
    """A graph while it is written. `flat` are the values that are n x depth, without height and width."""

    frozen: Frozen
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    flat: set[str] = field(default_factory=set)
    count: int = 0

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Adds an operation and returns the name of its output."""
        if not name:
            self.count += 1
            name = f"{kind.lower()}.{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def const(self, value: npt.NDArray[Any] | np.generic, name: str = "") -> str:
        """Adds a constant and returns its name."""
        if not name:
            self.count += 1
            name = f"constant.{self.count}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        """Adds a constant list of integers."""
        return self.const(np.array(values, np.int64))

    def normalised(self, ends: Ends) -> str:
        """From uint8 n x h x w x c to normalised float32 n x c x h x w, as `Preprocessing.normalise`."""
        std, mean = np.array(ends.std, np.float32), np.array(ends.mean, np.float32)
        per_map = (1, -1, 1, 1)
        floats = self.op("Cast", IMAGES, to=TensorProto.FLOAT)
        maps = self.op("Transpose", floats, perm=[0, 3, 1, 2])
        scaled = self.op("Mul", maps, self.const((1 / (255 * std)).reshape(per_map)))
        return self.op("Add", scaled, self.const((-mean / std).reshape(per_map)))

    def views(self, images: str, views: str, plane: tuple[int, int]) -> str:
        """All views of the images, one after the other along the batch (`hubel.module.views`)."""
        if views == "one":
            return images
        shown = [images]
        if views == "mirror-shift":
            pads = self.ints(0, 0, 1, 1, 0, 0, 1, 1)
            padded = self.op("Pad", images, pads, mode="reflect")
            for start in (2, 0):
                ends = [start + side for side in plane]
                cut = (self.ints(start, start), self.ints(*ends), self.ints(2, 3))
                shown.append(self.op("Slice", padded, *cut))
        back = (self.ints(-1), self.ints(FIRST), self.ints(3), self.ints(-1))
        both = [view for image in shown for view in (image, self.op("Slice", image, *back))]
        return self.op("Concat", *both, axis=0)

    def mean_of_views(self, scores: str, views: str) -> str:
        """The weighted mean of the scores of an image's views."""
        if views == "one":
            return scores
        weights = [0.5, 0.5] if views == "mirror" else [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
        classes = self.frozen.output.values
        apart = self.op("Reshape", scores, self.ints(len(weights), -1, classes))
        weighed = self.op("Mul", apart, self.const(np.array(weights, np.float32).reshape(-1, 1, 1)))
        return self.op("ReduceSum", weighed, self.ints(0), keepdims=0)

    def network(self, images: str) -> str:
        """The network itself; returns its scores, n x classes."""
        names = {INPUT: images}
        for step in self.frozen.steps:
            sources = [names[source] for source in step.sources]
            all_flat = all(source in self.flat for source in sources)
            if not (all_flat and isinstance(step.layer, FLAT)):
                sources = [self.unflattened(source) for source in sources]
            names[step.path] = WRITERS[type(step.layer)](self, step, *sources)
            if isinstance(step.layer, layers.Fc | layers.Rbf) or (all_flat and isinstance(step.layer, FLAT)):
                self.flat.add(names[step.path])
        return self.flattened(names[self.frozen.end])

    def unflattened(self, value: str) -> str:
        """A value as n x depth x h x w."""
        return self.op("Unsqueeze", value, self.ints(2, 3)) if value in self.flat else value

    def flattened(self, value: str) -> str:
        """A value as n x depth."""
        return value if value in self.flat else self.op("Flatten", value, axis=1)

    def conv(self, step: Step, value: str) -> str:
        """A convolution, with its zeros on each side as they are."""
        layer = _of(step, sliding.Conv)
        rows, columns = layer.window(step.inputs[0]).axes
        weight, bias = self.frozen.weights[step.path]
        inputs = [value, self.const(weight, f"{step.path}.weight")]
        inputs += [] if bias is None else [self.const(bias, f"{step.path}.bias")]
        return self.op(
            "Conv",
            *inputs,
            name=step.path,
            kernel_shape=list(pair(layer.size)),
            strides=list(pair(layer.stride)),
            dilations=list(pair(layer.dilation)),
            group=layer.groups,
            pads=[rows.pad, columns.pad, rows.pad + rows.odd, columns.pad + columns.odd],
        )

    def maxpool(self, step: Step, value: str) -> str:
        """Max pooling: padding never counts."""
        window = step.layer.window(step.inputs[0])
        return self.op("MaxPool", value, name=step.path, **_pooling(window, step.inputs[0].plane))

    def avgpool(self, step: Step, value: str) -> str:
        """Average pooling: zeros of the padding count, but not what rounding up adds at the far side."""
        window, plane = step.layer.window(step.inputs[0]), step.inputs[0].plane
        counted = [
            _counted(axis, inputs, outputs)
            for axis, inputs, outputs in zip(window.axes, plane, step.output.plane, strict=True)
        ]
        share = np.float32(window.area) / np.outer(*counted).astype(np.float32)
        whole = bool((share == 1).all())
        pool = {"name": step.path} if whole else {}
        mean = self.op("AveragePool", value, count_include_pad=1, **pool, **_pooling(window, plane))
        return mean if whole else self.op("Mul", mean, self.const(share[None, None]), name=step.path)

    def subsample(self, step: Step, value: str) -> str:
        """LeNet's pooling: a convolution of each map by itself, all of whose weights are the coefficient."""
        size = list(pair(_of(step, sliding.Subsample).size))
        weight, bias = self.frozen.weights[step.path]
        assert bias is not None
        kernels = np.broadcast_to(weight[:, None, None, None], (len(weight), 1, *size))
        inputs = (self.const(kernels, f"{step.path}.weight"), self.const(bias, f"{step.path}.bias"))
        return self.op(
            "Conv", value, *inputs, name=step.path, group=len(weight), strides=size, kernel_shape=size
        )

    def padshortcut(self, step: Step, value: str) -> str:
        """Every so-manieth position, and maps of zeros behind."""
        down, across = pair(_of(step, sliding.PadShortcut).stride)
        cut = (self.ints(0, 0), self.ints(LAST, LAST), self.ints(2, 3), self.ints(down, across))
        kept = self.op("Slice", value, *cut)
        more = step.output.depth - step.inputs[0].depth
        return self.op("Pad", kept, self.ints(0, 0, 0, 0, 0, more, 0, 0), name=step.path, mode="constant")

    def globalavgpool(self, step: Step, value: str) -> str:
        """The mean of each map."""
        return self.op("GlobalAveragePool", value, name=step.path)

    def adaptiveavgpool(self, step: Step, value: str) -> str:
        """Means of even windows; where they are uneven, a product with a matrix on either side."""
        plane, wanted = step.inputs[0].plane, step.output.plane
        if plane == wanted:
            return self.op("Identity", value, name=step.path)
        if all(inputs % outputs == 0 for inputs, outputs in zip(plane, wanted, strict=True)):
            size = [inputs // outputs for inputs, outputs in zip(plane, wanted, strict=True)]
            return self.op("AveragePool", value, name=step.path, kernel_shape=size, strides=size)
        rows, columns = map(_means, plane, wanted)
        across = self.op("MatMul", value, self.const(columns.T))
        return self.op("MatMul", self.const(rows), across, name=step.path)

    def relu(self, step: Step, value: str) -> str:
        """max(0, x), up to a limit if there is one."""
        limit = _of(step, layers.Relu).limit
        if limit is None:
            return self.op("Relu", value, name=step.path)
        bounds = self.const(np.float32(0)), self.const(np.float32(limit))
        return self.op("Clip", value, *bounds, name=step.path)

    def tanh(self, step: Step, value: str) -> str:
        """The hyperbolic tangent, scaled."""
        layer = _of(step, layers.Tanh)
        if layer == layers.Tanh():
            return self.op("Tanh", value, name=step.path)
        inner = self.op("Tanh", self.op("Mul", value, self.const(np.float32(layer.slope))))
        return self.op("Mul", inner, self.const(np.float32(layer.amplitude)), name=step.path)

    def sigmoid(self, step: Step, value: str) -> str:
        """1 / (1 + exp(-x))."""
        return self.op("Sigmoid", value, name=step.path)

    def gelu(self, step: Step, value: str) -> str:
        """Of the error function: opset 17 has no operation for it."""
        inner = self.op("Erf", self.op("Mul", value, self.const(np.float32(math.sqrt(0.5)))))
        twice = self.op("Mul", value, self.op("Add", inner, self.const(np.float32(1))))
        return self.op("Mul", twice, self.const(np.float32(0.5)), name=step.path)

    def lrn(self, step: Step, value: str) -> str:
        """Local response normalisation: ONNX divides alpha by the size, and so do Caffe and PyTorch.

        With an even size ONNX takes one map more after than before, PyTorch before than after: then the
        sums are a convolution with kernels of zeros and ones.
        """
        layer = _of(step, layers.Lrn)
        if layer.size % 2:
            return self.op(
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
        sums = self.op(
            "Conv", self.op("Mul", value, value), self.const(near[..., None, None].astype(np.float32))
        )
        scaled = self.op("Mul", sums, self.const(np.float32(layer.alpha)))
        whole = self.op("Add", scaled, self.const(np.float32(layer.k)))
        power = self.op("Pow", whole, self.const(np.float32(layer.beta)))
        return self.op("Div", value, power, name=step.path)

    def batchnorm(self, step: Step, value: str) -> str:
        """A factor and a summand per map: no layer was there to fold them into."""
        factor, summand = self.frozen.weights[step.path]
        assert summand is not None
        shape = (1, -1) if value in self.flat else (1, -1, 1, 1)
        scaled = self.op("Mul", value, self.const(factor.reshape(shape), f"{step.path}.weight"))
        return self.op("Add", scaled, self.const(summand.reshape(shape), f"{step.path}.bias"), name=step.path)

    def fc(self, step: Step, value: str) -> str:
        """A product of the flattened volume."""
        weight, bias = self.frozen.weights[step.path]
        inputs = [self.flattened(value), self.const(weight, f"{step.path}.weight")]
        inputs += [] if bias is None else [self.const(bias, f"{step.path}.bias")]
        return self.op("Gemm", *inputs, name=step.path, transB=1)

    def rbf(self, step: Step, value: str) -> str:
        """The negative squared distance to each class's code."""
        codes, _ = self.frozen.weights[step.path]
        one = self.op("Unsqueeze", self.flattened(value), self.ints(1))
        apart = self.op("Sub", one, self.const(codes[None], f"{step.path}.codes"))
        sums = self.op("ReduceSum", self.op("Mul", apart, apart), self.ints(2), keepdims=0)
        return self.op("Neg", sums, name=step.path)

    def softmax(self, step: Step, value: str) -> str:
        """Probabilities over the depth."""
        return self.op("Softmax", value, name=step.path, axis=1)

    def concat(self, step: Step, *values: str) -> str:
        """Branches side by side."""
        return self.op("Concat", *values, name=step.path, axis=1)

    def add(self, step: Step, *values: str) -> str:
        """The sum of branches."""
        total = values[0]
        for number, value in enumerate(values[1:], 2):
            total = self.op("Add", total, value, name=step.path if number == len(values) else "")
        return total


FLAT = (
    layers.Fc,
    layers.Rbf,
    layers.Relu,
    layers.Tanh,
    layers.Sigmoid,
    layers.Gelu,
    layers.BatchNorm,
    layers.Softmax,
    layers.Concat,
    layers.Add,
)
"""The layers that take values without height and width as well."""

WRITERS: dict[type[Layer], Callable[..., str]] = {
    sliding.Conv: _Graph.conv,
    sliding.MaxPool: _Graph.maxpool,
    sliding.AvgPool: _Graph.avgpool,
    sliding.Subsample: _Graph.subsample,
    sliding.PadShortcut: _Graph.padshortcut,
    layers.GlobalAvgPool: _Graph.globalavgpool,
    layers.AdaptiveAvgPool: _Graph.adaptiveavgpool,
    layers.Relu: _Graph.relu,
    layers.Tanh: _Graph.tanh,
    layers.Sigmoid: _Graph.sigmoid,
    layers.Gelu: _Graph.gelu,
    layers.Lrn: _Graph.lrn,
    layers.BatchNorm: _Graph.batchnorm,
    layers.Fc: _Graph.fc,
    layers.Rbf: _Graph.rbf,
    layers.Softmax: _Graph.softmax,
    layers.Concat: _Graph.concat,
    layers.Add: _Graph.add,
}
"""For each kind of layer, what writes its operations and returns the name of its output."""


def _of(step: Step, kind: type[Kind]) -> Kind:
    """The layer of a step, of this kind."""
    assert isinstance(step.layer, kind)
    return step.layer


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
    return max(axis.pad if not axis.ceil else 0, last - inputs)


def _counted(axis: Axis, inputs: int, outputs: int) -> npt.NDArray[np.int64]:
    """How many values count in each window: those of the input and of the padding on either side."""
    starts = np.arange(outputs) * axis.stride - axis.pad
    return np.minimum(starts + axis.size, inputs + axis.pad) - starts


def _means(inputs: int, outputs: int) -> npt.NDArray[np.float32]:
    """The matrix of adaptive pooling along an axis: outputs x inputs; each row is the mean of its window."""
    matrix = np.zeros((outputs, inputs), np.float32)
    for row in range(outputs):
        first, end = row * inputs // outputs, -(-(row + 1) * inputs // outputs)
        matrix[row, first:end] = 1 / (end - first)
    return matrix
