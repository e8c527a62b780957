"""Memory in training: what the allocator keeps between steps, and what to do when a device is full."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import TypeVar

import torch

Found = TypeVar("Found")

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""glibc's names for its settings, from `malloc.h`."""


def keep_memory() -> None:
    """Lets the allocator keep what is freed for the next step, where it is glibc's.

    By default glibc returns large blocks to the system after every layer, and they are faulted in again a
    page at a time: a third to a half of a step's time in float32.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 4097)
        mallopt(M_TOP_PAD, 256 << 20)


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
