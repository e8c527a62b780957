"""What hubel asks of its process: its memory, its cores, and when it began."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

from hubel.cores import allowed_cores

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""glibc's names for its settings, from `malloc.h`."""


def prepare_process() -> None:
    """Lets this process keep the memory it frees and compute on all cores it may use: for its whole life."""
    import torch

    keep_memory()
    torch.set_num_threads(min(allowed_cores(), torch.get_num_threads()))


def keep_memory() -> None:
    """Lets the allocator keep what is freed for the next pass, where it is glibc's.

    By default glibc returns large blocks to the system after every layer, and they are faulted in again a
    page at a time: a third to a half of a training step's time in float32.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 4097)
        mallopt(M_TOP_PAD, 256 << 20)


def return_memory() -> None:
    """Returns what is free to the system, where the allocator is glibc's: opening a model leaves copies."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


def process_began() -> float:
    """When this process began, on the scale of `time.perf_counter`; now, if the system does not say.

    On a busy machine a process may take seconds to reach the first line of Python.
    """
    now = time.perf_counter()
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # proc(5): starttime
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return now
    return now - max(0.0, age)
