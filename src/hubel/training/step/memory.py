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

    As it comes, it returns large blocks to the system after every layer and faults them in again a page
    at a time: a third to a half of a step's time in float32.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 4097)
        mallopt(M_TOP_PAD, 256 << 20)


SMALLEST_PART = 2
"""The fewest images that go through at once: batch normalisation needs two."""


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that memory is full: CUDA's has a class of its own, the CPU's only words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_memory(device: torch.device) -> None:
    """Gives back what the device's allocator keeps."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def on_trial(batch: int, few: int, device: torch.device) -> int:
    """How many images of a batch a trial is of: `few`, on a GPU all, which takes as long for a few."""
    return batch if device.type == "cuda" else min(few, batch)


def tried(batch: int, few: int, device: torch.device, trial: Callable[[int], Found]) -> Found:
    """What a trial on some images of a batch finds out; it is told how many, less if they do not fit."""
    count = on_trial(batch, few, device)
    while True:
        try:
            return trial(count)
        except RuntimeError as error:
            if not out_of_memory(error) or count <= SMALLEST_PART:
                raise
        count = max(SMALLEST_PART, count // 2)
        free_memory(device)
