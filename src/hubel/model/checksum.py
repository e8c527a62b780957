"""The checksum of a model's file, by which a flipped bit is found before it changes an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

KEY = "sha256"
"""The key of the metadata under which the checksum stands."""


class Content(NamedTuple):
    """A tensor's name, its type as torch writes it, such as `float32`, its shape, and its bytes."""

    name: str
    kind: str
    shape: tuple[int, ...]
    data: bytes | memoryview


def checksum(tensors: Iterable[Content], metadata: Mapping[str, str]) -> str:
    """Returns the SHA-256 of tensors and of metadata, whose own entry `sha256` is left out.

    Every name, type, shape, text and value counts. Each part is preceded by its length, so that none can
    pass for another.
    """
    digest = hashlib.sha256()

    def add(part: bytes | memoryview) -> None:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)

    for name in sorted(metadata.keys() - {KEY}):
        add(name.encode())
        add(metadata[name].encode())
    for tensor in sorted(tensors, key=lambda tensor: tensor.name):
        add(f"{tensor.name} torch.{tensor.kind} {tensor.shape}".encode())
        add(tensor.data)
    return digest.hexdigest()
