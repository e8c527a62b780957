"""A graph to compare with: the file's own nodes, with chosen values as outputs and large weights as inputs.

A runtime copies the weights of a graph, and takes its inputs where they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

from hubel.foreign.found import Array
from hubel.foreign.onnx.file import OnnxFile

SMALL = 1024
"""Up to how many bytes a weight is written into the graph, where a runtime looks for shapes."""


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """A graph as bytes, and the weights that are its inputs."""

    model: bytes
    weights: dict[str, Array]


def skeleton(file: OnnxFile, outputs: Sequence[str], *, whole: bool = False) -> Skeleton:
    """Returns the graph of a file with these values as outputs.

    With `whole` all weights are in the graph.
    """
    model = ModelProto()
    model.CopyFrom(file.model)
    graph = model.graph
    del graph.value_info[:]
    del graph.output[:]
    graph.output.extend(ValueInfoProto(name=name) for name in dict.fromkeys(outputs))
    inputs = {each.name for each in graph.input}  # in old files weights, too
    large = {}
    for name, array in file.weights.items():
        if array.nbytes <= SMALL or whole:
            graph.initializer.append(numpy_helper.from_array(array, name))
            continue
        large[name] = np.require(array, requirements=["C", "A"])  # else the runtime copies it
        file.forget()
        if name not in inputs:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            graph.input.append(helper.make_tensor_value_info(name, kind, array.shape))
    return Skeleton(model.SerializeToString(), large)
