"""The checksum of a model's file, by which a flipped bit is found before it changes an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

KEY = "sha256"
"""The key of the metadata under which the checksum stands."""


def checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Returns the SHA-256 of tensors on the CPU and of metadata, whose own entry `sha256` is left out.

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
    for name in sorted(tensors):
        value = tensors[name]
        add(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        add(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
