"""The device of a run: which one, how many of its cores, and what to do when its memory is full."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from hubel.cores import allowed_cores
from hubel.train.engine import PRECISIONS

Found = TypeVar("Found")

SMALLEST_PART = 2
"""The fewest pictures that go through at once: batch normalisation needs two."""


def best_device() -> torch.device:
    """A CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def use_allowed_cores() -> int:
    """Lets torch compute on as many threads as this process may use cores, and returns how many."""
    threads = min(allowed_cores(), torch.get_num_threads())
    torch.set_num_threads(threads)
    return threads


def computing_in(precision: str, device: torch.device) -> torch.autocast:
    """A context in which layers compute in a precision; the weights stay float32."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that memory is full: CUDA's has a class of its own, the CPU's only words."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_memory(device: torch.device) -> None:
    """Gives back what the device's allocator keeps."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def tried(batch: int, few: int, device: torch.device, trial: Callable[[int], Found]) -> Found:
    """What a trial on some pictures of a batch finds out; it is told how many.

    They are `few` on a CPU. A GPU takes as long for a few as for many and is tried on whole batches, or on
    as much of them as fits in memory.
    """
    count = batch if device.type == "cuda" else min(few, batch)
    while True:
        try:
            return trial(count)
        except RuntimeError as error:
            if not out_of_memory(error) or count <= SMALLEST_PART:
                raise
        count = max(SMALLEST_PART, count // 2)
        free_memory(device)
