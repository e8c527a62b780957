"""The weights of a model's file as NumPy arrays: without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.errors import ModelError
from hubel.model.checksum import KEY, Content, checksum

if TYPE_CHECKING:
    import numpy.typing as npt

KINDS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""The types of the safetensors format as torch and NumPy name them; NumPy has no bfloat16."""


def read_arrays(path: Path, metadata: dict[str, str]) -> dict[str, npt.NDArray[Any]]:
    """Returns the tensors of a safetensors file, whose header was read already (`header.read_metadata`).

    Raises ModelError: their checksum is not the one that `metadata` has, values are not finite, or a type
    is not known.
    """
    content = list(_content(path))
    if KEY in metadata and checksum(content, metadata) != metadata[KEY]:
        raise damaged(path)
    found = {tensor.name: _array(tensor) for tensor in content}
    for name, array in found.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise not_finite(path, name)
    return found


def damaged(path: Path) -> ModelError:
    """The error of a file whose checksum is not its content's."""
    return ModelError(
        f"{path} is damaged: its content does not have the SHA-256 that was written with it; copy the "
        "file again, or train the model again"
    )


def not_finite(path: Path, name: str) -> ModelError:
    """The error of weights that are not finite."""
    return ModelError(f"{path}: {name} has values that are not finite; train the model again")


def _content(path: Path) -> Iterator[Content]:
    """The tensors of a safetensors file: 8 bytes of length, a JSON object, then their bytes."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        data = memoryview(file.read())
    header.pop("__metadata__", None)
    for name, tensor in header.items():
        if tensor["dtype"] not in KINDS:
            raise ModelError(f"{path}: {name} has the type {tensor['dtype']}, which is not known")
        start, end = tensor["data_offsets"]
        yield Content(name, KINDS[tensor["dtype"]], tuple(tensor["shape"]), data[start:end])


def _array(tensor: Content) -> npt.NDArray[Any]:
    if tensor.kind == "bfloat16":  # the upper half of a float32
        halves = np.frombuffer(tensor.data, np.uint16).astype(np.uint32)
        return (halves << 16).view(np.float32).reshape(tensor.shape)
    return np.frombuffer(tensor.data, tensor.kind).reshape(tensor.shape)
