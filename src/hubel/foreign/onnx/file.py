"""An ONNX file: its graph, and its weights as views of the file, which is mapped and not copied.

Pages that were read count as memory of the process until `OnnxFile.forget` gives them back.

The message is cut at its own fields, so that a protobuf library sees everything but the weights.
Source: onnx.proto, `ModelProto`, `GraphProto` and `TensorProto`.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeAlias

import numpy as np
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from hubel.errors import ModelError
from hubel.foreign.found import Array
from hubel.graph.wire import BYTES, fields

GRAPH, INITIALIZER = 7, 5
"""The fields of the graph in a model, and of a weight in the graph."""

FLOATS, RAW = 4, 9
"""The fields of a tensor's values: 32-bit floats, or bytes."""

Maps: TypeAlias = "dict[Path, mmap.mmap]"
"""The files that are mapped."""


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """An ONNX file that was read.

    `model` is everything but the weights, `weights` are these by name, and `opset` is the version of ONNX's
    own operators.
    """

    path: Path
    model: ModelProto
    weights: dict[str, Array]
    opset: int
    size: int
    maps: Maps

    def forget(self) -> None:
        """Gives back the memory of the weights that were read; what is needed again is read again."""
        for content in self.maps.values():
            if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
                content.madvise(mmap.MADV_DONTNEED)

    @property
    def graph(self) -> GraphProto:
        """The graph, without its weights."""
        return self.model.graph

    @property
    def metadata(self) -> dict[str, str]:
        """The texts that the file's maker added."""
        return {entry.key: entry.value for entry in self.model.metadata_props}


class _BesideError(Exception):
    """Says which file of weights is missing."""


def open_onnx(path: Path) -> OnnxFile:
    """Opens an ONNX file. Raises ModelError: it cannot be read, is none, or has other kinds of weights."""
    maps: Maps = {}
    try:
        if path.is_file() and not path.stat().st_size:
            raise ModelError(f"{path} is empty")
        content = _mapped(path, maps)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} cannot be read: {reason}") from None
    try:
        model, weights = _read(content, path.parent, maps)
    except _BesideError as error:
        raise ModelError(f"{path}: {error}") from None
    except (ValueError, IndexError, DecodeError, KeyError, OSError):
        raise ModelError(f"{path} is not an ONNX model, or is cut short; write or copy it again") from None
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if not model.graph.node or not opset:
        raise ModelError(f"{path} is not an ONNX model: it has no graph")
    return OnnxFile(path, model, weights, opset, len(content), maps)


def _mapped(path: Path, maps: Maps) -> memoryview:
    """Returns the content of a file, which is mapped once."""
    if path not in maps:
        with path.open("rb") as file:
            maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return memoryview(maps[path])


def _read(content: memoryview, folder: Path, maps: Maps) -> tuple[ModelProto, dict[str, Array]]:
    rest, graph = [], []
    weights: dict[str, Array] = {}
    for number, kind, field, whole in fields(content):
        if number != GRAPH or kind != BYTES:
            rest.append(whole)
            continue
        for inner, inner_kind, inner_field, inner_whole in fields(field):
            if inner == INITIALIZER and inner_kind == BYTES:
                name, array = _tensor(inner_field, folder, maps)
                weights[name] = array
            else:
                graph.append(inner_whole)
    model = ModelProto.FromString(b"".join(rest))
    model.graph.MergeFromString(b"".join(graph))
    _put_in_order(model.graph)
    return model, weights


def _put_in_order(graph: GraphProto) -> None:
    """Puts each node behind those that make its inputs, where a converter has left them in another order.

    Raises ValueError: they are a circle.
    """
    makers = {name: at for at, node in enumerate(graph.node) for name in node.output if name}
    before = {
        at: [makers[name] for name in node.input if name in makers] for at, node in enumerate(graph.node)
    }
    if all(maker < at for at, given in before.items() for maker in given):
        return
    nodes = [graph.node[at] for at in TopologicalSorter(before).static_order()]
    ordered = GraphProto(node=nodes)
    del graph.node[:]
    graph.node.extend(ordered.node)


def _tensor(content: memoryview, folder: Path, maps: Maps) -> tuple[str, Array]:
    """Returns a weight's name and values; those in the file are a view of it."""
    values: dict[int, memoryview] = {}
    rest = []
    for number, kind, field, whole in fields(content):
        if number in (FLOATS, RAW) and kind == BYTES:
            values[number] = field
        else:
            rest.append(whole)
    proto = TensorProto.FromString(b"".join(rest))
    shape = tuple(proto.dims)
    if proto.data_location == TensorProto.EXTERNAL:
        return proto.name, _beside(proto, shape, folder, maps)
    if FLOATS in values and proto.data_type == TensorProto.FLOAT:
        return proto.name, np.frombuffer(values[FLOATS], "<f4").reshape(shape)
    dtype = helper.tensor_dtype_to_np_dtype(proto.data_type)
    if RAW in values and dtype.itemsize * int(np.prod(shape, dtype=np.int64)) == len(values[RAW]):
        return proto.name, np.frombuffer(values[RAW], dtype).reshape(shape)
    return proto.name, numpy_helper.to_array(TensorProto.FromString(bytes(content)))  # few values, or packed


def _beside(proto: TensorProto, shape: tuple[int, ...], folder: Path, maps: Maps) -> Array:
    """Returns a weight that lies in another file of the same folder. Raises _BesideError: it does not."""
    said = {entry.key: entry.value for entry in proto.external_data}
    place = Path(said["location"])
    if place.is_absolute() or ".." in place.parts or not (folder / place).is_file():
        raise _BesideError(f"its weights lie in {place}, which is not beside it")
    dtype = helper.tensor_dtype_to_np_dtype(proto.data_type)
    start, size = int(said.get("offset", 0)), dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(_mapped(folder / place, maps)[start : start + size], dtype).reshape(shape)
