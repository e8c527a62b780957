"""A frozen network as an ONNX graph: uint8 images in, probabilities out; or normalised images in, scores out.

The graph is written layer by layer from the network's steps, so that it has the network's own names, and
needs no framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper

from hubel.graph.layers import write_network
from hubel.graph.resize import Resize, resized
from hubel.graph.writer import BATCH, IMAGES, Graph

if TYPE_CHECKING:
    from hubel.graph.frozen import Frozen
    from hubel.graph.quantise import Quantisation

OPSET = 17
"""The version of ONNX's operators. Source: onnx.ai/onnx/operators."""

IR_VERSION = 8
"""The version of the file format that goes with opset 17."""

SCORES, PROBABILITIES = "scores", "probabilities"
"""The names of the output."""

SIZE = ("height", "width")
"""The names of the axes of images of any size."""

FIRST = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Ends:
    """What surrounds a network in its graph.

    `mean` and `std` normalise values from 0 to 1, per channel. The scores are the mean over the `views` of
    an image; divided by `temperature` they give the probabilities. With `resize`, images of any size are
    given. With `raw`, images are given normalised and scores are returned.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    views: str = "one"
    temperature: float = 1.0
    raw: bool = False
    probabilities: bool = True
    resize: Resize | None = None


def onnx_model(
    frozen: Frozen,
    ends: Ends,
    metadata: Mapping[str, str] | None = None,
    *,
    int8: Quantisation | None = None,
    every: bool = False,
) -> ModelProto:
    """Returns the ONNX model of a network; it is checked by ONNX's own checker.

    With `int8` it computes in bytes where it can. With `every` all values of the network are outputs too.
    Its input is `images`: uint8, n x height x width x depth; with `raw` float32, n x depth x height x width;
    with `resize` height and width are free.
    Its output is `probabilities` or `scores`: float32, n x classes.
    """
    graph = Graph(frozen, int8)
    depth, (high, wide) = frozen.volume.depth, frozen.volume.plane
    if ends.raw:
        shape: tuple[Any, ...] = (BATCH, depth, high, wide)
        kind = TensorProto.FLOAT
        seen = IMAGES
    else:
        shape = (BATCH, *(SIZE if ends.resize else (high, wide)), depth)
        kind = TensorProto.UINT8
        seen = _normalised(graph, ends, (high, wide))
        seen = _views(graph, seen, ends.views, frozen.volume.plane)
    scores = write_network(graph, seen)
    if not ends.raw:
        scores = _mean_of_views(graph, scores, ends.views)
    out = SCORES
    if not ends.raw and ends.probabilities:
        out = PROBABILITIES
        warm = graph.op("Div", scores, graph.const(np.float32(ends.temperature)))
        graph.op("Softmax", warm, name=out, axis=1)
    else:
        graph.op("Identity", scores, name=out)
    classes = frozen.output.values
    outputs = [helper.make_tensor_value_info(out, TensorProto.FLOAT, (BATCH, classes))]
    if every:
        outputs += [graph.output(path) for path in graph.names]
    taken = [helper.make_tensor_value_info(IMAGES, kind, shape)]
    proto = helper.make_graph(graph.nodes, "hubel", taken, outputs, graph.constants)
    model = helper.make_model(
        proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="hubel"
    )
    helper.set_model_props(model, dict(metadata or {}))
    checker.check_model(model)
    return model


def _normalised(graph: Graph, ends: Ends, plane: tuple[int, int]) -> str:
    """From uint8 n x h x w x c to normalised float32 n x c x h x w, as `Preprocessing.normalise`."""
    std, mean = np.array(ends.std, np.float32), np.array(ends.mean, np.float32)
    per_map = (1, -1, 1, 1)
    if ends.resize:
        maps = resized(graph, ends.resize, plane)
    else:
        floats = graph.op("Cast", IMAGES, to=TensorProto.FLOAT)
        maps = graph.op("Transpose", floats, perm=[0, 3, 1, 2])
    scaled = graph.op("Mul", maps, graph.const((1 / (255 * std)).reshape(per_map)))
    return graph.op("Add", scaled, graph.const((-mean / std).reshape(per_map)))


def _views(graph: Graph, images: str, views: str, plane: tuple[int, int]) -> str:
    """All views of the images, one after the other along the batch (`hubel.module.views`)."""
    if views == "one":
        return images
    shown = [images]
    if views == "mirror-shift":
        pads = graph.ints(0, 0, 1, 1, 0, 0, 1, 1)
        padded = graph.op("Pad", images, pads, mode="reflect")
        for start in (2, 0):
            ends = [start + side for side in plane]
            cut = (graph.ints(start, start), graph.ints(*ends), graph.ints(2, 3))
            shown.append(graph.op("Slice", padded, *cut))
    back = (graph.ints(-1), graph.ints(FIRST), graph.ints(3), graph.ints(-1))
    both = [view for image in shown for view in (image, graph.op("Slice", image, *back))]
    return graph.op("Concat", *both, axis=0)


def _mean_of_views(graph: Graph, scores: str, views: str) -> str:
    """The weighted mean of the scores of an image's views."""
    if views == "one":
        return scores
    weights = [0.5, 0.5] if views == "mirror" else [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    classes = graph.frozen.output.values
    apart = graph.op("Reshape", scores, graph.ints(len(weights), -1, classes))
    weighed = graph.op("Mul", apart, graph.const(np.array(weights, np.float32).reshape(-1, 1, 1)))
    return graph.op("ReduceSum", weighed, graph.ints(0), keepdims=0)
