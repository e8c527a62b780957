"""The device of a run: which one, how many of its cores, and what to do when its memory is full."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F  # noqa: N812

from hubel.cores import allowed_cores
from hubel.train.engine import PRECISIONS, now

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


def warm_up(device: torch.device) -> None:
    """Has a GPU load what it convolves and multiplies with, which takes seconds once."""
    if device.type == "cuda":
        images = torch.ones(2, 4, 8, 8, device=device, requires_grad=True)
        maps = F.conv2d(images, torch.ones(4, 4, 3, 3, device=device))
        (maps.flatten(1) @ maps.flatten(1).T).sum().backward()  # type: ignore[no-untyped-call]
        now(device)


def on_trial(batch: int, few: int, device: torch.device) -> int:
    """How many pictures of a batch a trial is of: `few`, on a GPU all, which takes as long for a few."""
    return batch if device.type == "cuda" else min(few, batch)


def tried(batch: int, few: int, device: torch.device, trial: Callable[[int], Found]) -> Found:
    """What a trial on some pictures of a batch finds out; it is told how many, less if they do not fit."""
    count = on_trial(batch, few, device)
    while True:
        try:
            return trial(count)
        except RuntimeError as error:
            if not out_of_memory(error) or count <= SMALLEST_PART:
                raise
        count = max(SMALLEST_PART, count // 2)
        free_memory(device)
