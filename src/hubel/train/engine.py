"""What makes a step fast on this machine: the allocator, the precision, on a GPU a compiler."""

from __future__ import annotations

import copy
import ctypes
import importlib.util
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from hubel.module.network import Network

Module = TypeVar("Module", bound=nn.Module)

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""glibc's names for its settings, from `malloc.h`."""

GAIN = 0.9
"""The most of float32's time that bfloat16 may take to be chosen."""

EMULATED = 4.0
"""From how many times float32's time a product in bfloat16 is emulated: 50 and more were measured."""

PRODUCT_SIDE = 256
"""The side of the matrices by which that is told: milliseconds even where it is emulated."""

PRECISIONS: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""What a step may be computed in; the weights are float32 always."""


COMPILING_SECONDS = 60.0
"""What compiling a network for training is taken to cost: half of it to all of it was measured, on a CPU."""

REPAID = 10
"""How many times that must be left of a run: then a gain of a tenth repays it."""


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


def repays(device: torch.device, seconds: float) -> bool:
    """Whether compiling repays what it takes in so many seconds of training.

    On a CPU it never does: compiled steps were measured at 0.94 to 1.0 times the speed of these.
    """
    if device.type != "cuda" or importlib.util.find_spec("triton") is None:
        return False
    return seconds >= REPAID * COMPILING_SECONDS


def compiled(network: Network) -> Network:
    """The network with steps that are compiled, and replayed as CUDA graphs; its parameters are the same."""
    return cast("Network", torch.compile(network, mode="reduce-overhead"))


def now(device: torch.device) -> float:
    """The time in seconds, once all that was asked of a device is done: a GPU is asked, and answers later."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def fastest(network: Module, step: Callable[[Module, str], Tensor]) -> str:
    """The precision in which a step of training takes least: measured on a copy, never assumed.

    `step` runs a network forwards in a precision and returns the loss. A single step may take minutes where
    bfloat16 is emulated; there none is made.
    """
    device = next(network.parameters()).device
    if emulates_bfloat16(device):
        return "float32"
    trial = copy.deepcopy(network)

    def seconds(precision: str) -> float:
        def forwards_and_backwards() -> None:
            step(trial, precision).backward()  # type: ignore[no-untyped-call]
            trial.zero_grad()

        return _shortest(forwards_and_backwards, device)

    best = {precision: seconds(precision) for precision in PRECISIONS}
    return "bfloat16" if best["bfloat16"] < GAIN * best["float32"] else "float32"


@cache
def emulates_bfloat16(device: torch.device) -> bool:
    """Whether a device has no instructions for products in bfloat16, as most CPUs; measured, once."""

    def seconds(kind: torch.dtype) -> float:
        matrix = torch.ones(PRODUCT_SIDE, PRODUCT_SIDE, dtype=kind, device=device)
        return _shortest(lambda: matrix @ matrix, device)

    return seconds(torch.bfloat16) > EMULATED * seconds(torch.float32)


def _shortest(action: Callable[[], object], device: torch.device) -> float:
    """The seconds of the shortest of three runs, after one to warm up."""
    times = []
    for _ in range(4):
        began = now(device)
        action()
        times.append(now(device) - began)
    return min(times[1:])
