"""ONNX graphs for tests, made by `onnx.helper`, and what hubel makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from hubel.foreign.onnx.file import open_onnx
from hubel.foreign.onnx.read import read_onnx
from hubel.model.check_import import Agreement, check
from hubel.model.import_network import ImportedNetwork, import_network

RNG = np.random.default_rng(7)


def weights(*shape: int) -> Any:
    """Random weights of a size that keeps values near 1."""
    return (RNG.standard_normal(shape) / np.sqrt(max(1, int(np.prod(shape[1:]))))).astype(np.float32)


def written(
    path: Path,
    nodes: Sequence[NodeProto],
    constants: dict[str, Any] | None = None,
    *,
    opset: int = 17,
    shape: Sequence[int | str] = ("n", 3, 12, 10),
    kind: int = TensorProto.FLOAT,
    output: str = "y",
) -> Path:
    """Writes a graph that takes `x` and gives `output`."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=min(10, 3 + opset // 3)
    )
    onnx.save(model, path)
    return path


def head(source: str, depth: int, *, opset: int = 17) -> tuple[list[NodeProto], dict[str, Any]]:
    """The end of a graph: the mean of each map and three scores, named `y`."""
    nodes = [
        helper.make_node("GlobalAveragePool", [source], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head.weight", "head.bias"], ["y"], transB=1),
    ]
    return nodes, {"head.weight": weights(3, depth), "head.bias": weights(3)}


def imported(path: Path, volume: str | None = None) -> tuple[ImportedNetwork, Agreement]:
    """Reads a file and compares it with ONNX Runtime on noise."""
    from hubel.net.volume import Volume

    read = read_onnx(open_onnx(path), Volume.of(volume) if volume else None)
    made = import_network(read.found, source=path.name)
    seen = made.model.preprocessing.volume
    images = RNG.integers(0, 256, (2, *seen.plane, seen.depth), np.uint8)
    return made, check(read, made, images)
