"""The device of a run: which one, how many of its cores, and what to do when its memory is full."""

from __future__ import annotations

import torch

from hubel.cores import allowed_cores
from hubel.train.engine import PRECISIONS


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
