"""Memory in training: what to do when a device is full."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Found = TypeVar("Found")

SMALLEST_PART = 2
"""The fewest images in a forward pass: batch normalisation needs two."""


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that memory is full: CUDA's has a class, a CPU's only its message."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_memory(device: torch.device) -> None:
    """Returns the unused memory that the allocator keeps to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def on_trial(batch: int, few: int, device: torch.device) -> int:
    """The number of images in a trial: `few`; on a GPU the whole batch, which takes no longer."""
    return batch if device.type == "cuda" else min(few, batch)


def tried(batch: int, few: int, device: torch.device, trial: Callable[[int], Found]) -> Found:
    """The result of a trial, which is called with a number of images: fewer if they do not fit in memory."""
    count = on_trial(batch, few, device)
    while True:
        try:
            return trial(count)
        except RuntimeError as error:
            if not out_of_memory(error) or count <= SMALLEST_PART:
                raise
        count = max(SMALLEST_PART, count // 2)
        free_memory(device)
