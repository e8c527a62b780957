"""An ONNX file: its graph, and its weights as views of the file, which is mapped and not copied.

The message is cut at its own fields, so that a protobuf library sees everything but the weights.
Source: onnx.proto, `ModelProto`, `GraphProto` and `TensorProto`.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

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

    @property
    def graph(self) -> GraphProto:
        """The graph, without its weights."""
        return self.model.graph

    @property
    def metadata(self) -> dict[str, str]:
        """The texts that the file's maker added."""
        return {entry.key: entry.value for entry in self.model.metadata_props}


def open_onnx(path: Path) -> OnnxFile:
    """Opens an ONNX file. Raises ModelError: it cannot be read, is none, or has other kinds of weights."""
    try:
        with path.open("rb") as file:
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} cannot be read: {reason}") from None
    try:
        model, weights = _read(content, path.parent)
    except (ValueError, IndexError, DecodeError, KeyError) as error:
        raise ModelError(f"{path} is not an ONNX model, or is cut short ({error})") from None
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if not model.graph.node or not opset:
        raise ModelError(f"{path} is not an ONNX model: it has no graph")
    return OnnxFile(path, model, weights, opset, len(content))


def _read(content: memoryview, folder: Path) -> tuple[ModelProto, dict[str, Array]]:
    rest, graph = [], []
    weights: dict[str, Array] = {}
    for number, kind, field, whole in fields(content):
        if number != GRAPH or kind != BYTES:
            rest.append(whole)
            continue
        for inner, inner_kind, inner_field, inner_whole in fields(field):
            if inner == INITIALIZER and inner_kind == BYTES:
                name, array = _tensor(inner_field, folder)
                weights[name] = array
            else:
                graph.append(inner_whole)
    model = ModelProto.FromString(b"".join(rest))
    model.graph.MergeFromString(b"".join(graph))
    return model, weights


def _tensor(content: memoryview, folder: Path) -> tuple[str, Array]:
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
        return proto.name, _beside(proto, shape, folder)
    if FLOATS in values and proto.data_type == TensorProto.FLOAT:
        return proto.name, np.frombuffer(values[FLOATS], "<f4").reshape(shape)
    dtype = helper.tensor_dtype_to_np_dtype(proto.data_type)
    if RAW in values and dtype.itemsize * int(np.prod(shape, dtype=np.int64)) == len(values[RAW]):
        return proto.name, np.frombuffer(values[RAW], dtype).reshape(shape)
    return proto.name, numpy_helper.to_array(TensorProto.FromString(bytes(content)))  # few values, or packed


def _beside(proto: TensorProto, shape: tuple[int, ...], folder: Path) -> Array:
    """Returns a weight that lies in another file of the same folder. Raises ValueError: it does not."""
    said = {entry.key: entry.value for entry in proto.external_data}
    place = Path(said["location"])
    if place.is_absolute() or ".." in place.parts or not (folder / place).is_file():
        raise ValueError(f"its weights lie in {place}, which is not beside it")
    dtype = helper.tensor_dtype_to_np_dtype(proto.data_type)
    return np.memmap(folder / place, dtype, "r", int(said.get("offset", 0)), shape)


def stub(name: str, array: Array) -> TensorProto:
    """Returns a weight whose values are handed to the runtime, not written."""
    proto = TensorProto(
        name=name,
        dims=array.shape,
        data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
        data_location=TensorProto.EXTERNAL,
    )
    for key, value in (("location", "memory"), ("offset", "0"), ("length", str(array.nbytes))):
        proto.external_data.add(key=key, value=value)
    return proto
