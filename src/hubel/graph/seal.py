"""The metadata of an ONNX file, and its checksum: read without a runtime, and without the graph.

An ONNX file is a protobuf message: fields one after the other, each with its number and its length. The
checksum is the last entry of the metadata and covers all bytes before it, so that it can be checked by
whoever can cut off 76 bytes. Source: onnx.proto, `ModelProto.metadata_props` and `StringStringEntryProto`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from hubel.errors import ModelError

METADATA, KEY, VALUE = 14, 1, 2
BYTES = 2
"""The wire type of a field that has a length: a text, bytes or a message."""

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
        {inner: bytes(text).decode() for inner, text in _fields(content)}
        for number, content in _fields(memoryview(model))
        if number == METADATA
    ]
    return {entry.get(KEY, ""): entry.get(VALUE, "") for entry in entries}


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that have a length, with their numbers."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == BYTES:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("cut short")
            yield tag >> 3, message[at : at + length]
            at += length
        elif tag & 7 == 0:
            _, at = _varint(message, at)
        else:
            raise ValueError("a field of a model is a number, a text or a message")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in pieces of seven bits, the least first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _entry(key: str, value: str) -> bytes:
    """An entry of the metadata, whose key and value have less than 100 characters."""
    content = b"".join(
        bytes([number << 3 | BYTES, len(text)]) + text.encode()
        for number, text in ((KEY, key), (VALUE, value))
    )
    return bytes([METADATA << 3 | BYTES, len(content)]) + content
