"""The metadata of an ONNX file, and its checksum: read without a runtime, and without the graph.

An ONNX file is a protobuf message: fields one after the other, each with its number and its length. The
checksum is the last entry of the metadata and covers all bytes before it, so that it can be checked by
whoever can cut off 76 bytes. Source: onnx.proto, `ModelProto.metadata_props` and `StringStringEntryProto`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from hubel.errors import ModelError
from hubel.graph.wire import BYTES, fields

METADATA, KEY, VALUE = 14, 1, 2
CHECKSUM = "sha256"
FORMAT = "format"
"""An entry that every exported model has."""

SEAL = 76
"""The length of the last entry: its own number and length, and the key and the value with theirs."""


def sealed(model: bytes) -> bytes:
    """Returns an ONNX model with the SHA-256 of its bytes as the last entry of its metadata."""
    return model + _entry(CHECKSUM, hashlib.sha256(model).hexdigest())


def read_sealed(path: Path) -> tuple[bytes, dict[str, str]]:
    """Returns an ONNX file's bytes and its metadata.

    Raises ModelError: the file cannot be read, is no ONNX model, or is damaged.
    """
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None
    try:
        metadata = metadata_of(model)
    except (ValueError, IndexError):
        raise ModelError(f"{path} is not an ONNX model, or is cut short") from None
    seal = _entry(CHECKSUM, hashlib.sha256(model[:-SEAL]).hexdigest())
    if {CHECKSUM, FORMAT} & metadata.keys() and not model.endswith(seal):
        raise ModelError(
            f"{path} is damaged or was changed: its content does not have the SHA-256 that was written with "
            "it; copy it or export it again"
        )
    return model, metadata


def metadata_of(model: bytes) -> dict[str, str]:
    """Returns the metadata of an ONNX model. Raises ValueError, IndexError: not a message."""
    entries = [
        {inner: bytes(text).decode() for inner, kind, text, _ in fields(content) if kind == BYTES}
        for number, kind, content, _ in fields(memoryview(model))
        if number == METADATA and kind == BYTES
    ]
    return {entry.get(KEY, ""): entry.get(VALUE, "") for entry in entries}


def _entry(key: str, value: str) -> bytes:
    """An entry of the metadata, whose key and value have less than 100 characters."""
    content = b"".join(
        bytes([number << 3 | BYTES, len(text)]) + text.encode()
        for number, text in ((KEY, key), (VALUE, value))
    )
    return bytes([METADATA << 3 | BYTES, len(content)]) + content
