"""The precision of a step: float32 or bfloat16, whichever this machine computes faster.

A CPU is asked what it can, and the network how much it multiplies; a GPU, which has no other work, is timed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from hubel.cores import processor_flags
from hubel.device import now
from hubel.module.own import Trainable
from hubel.module.recorded import Recorded, clear_gradients
from hubel.net.ledger import Ledger

Module = TypeVar("Module", bound=nn.Module)

GAIN = 0.9
"""The most of float32's time that bfloat16 may take to be chosen."""

WORTH = {"amx_bf16": 64, "avx512_bf16": 128, "bf16": 128}
"""From how many multiply-adds for each converted value bfloat16 takes less of a CPU's time, by its flags.

Values are converted on their way through the network, parameters once a step. With AMX it is measured by
benchmarks/precision.py. The others multiply twice as fast as in float32, where AMX does eight times and more,
so that the same conversions take twice the multiply-adds.
"""

NATIVE = frozenset(WORTH)
"""The flags of processors with instructions for products in bfloat16: x86-64's two, and ARM's."""

PRECISIONS: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""What a step may be computed in; the weights are float32 always."""


def fastest(network: Trainable, batch: int, step: Callable[[Trainable, str], Tensor]) -> str:
    """The precision in which a step of `batch` images takes least.

    On a CPU it follows from the processor and the network: a machine answers the same, busy or not. On a GPU
    it is measured: `step` runs a network forwards in a precision and returns the loss.
    """
    device = next(network.parameters()).device
    if emulates_bfloat16(device):
        return "float32"
    if device.type == "cpu":
        worth = min(WORTH[flag] for flag in NATIVE & processor_flags())
        return "bfloat16" if multiplies(network, batch) >= worth else "float32"
    return faster(network, step)


def multiplies(network: Trainable, batch: int) -> float:
    """How many multiply-adds a step of `batch` images has for each value that it converts."""
    totals = Ledger.of(network.volume, network.steps).totals
    return batch * totals.macs / (batch * totals.flow_values + totals.params)


def faster(network: Module, step: Callable[[Module, str], Tensor]) -> str:
    """The precision in which a step takes least, measured on a copy."""
    trial = copy.deepcopy(network)
    best = {precision: _seconds(trial, precision, step) for precision in PRECISIONS}
    return "bfloat16" if best["bfloat16"] < GAIN * best["float32"] else "float32"


def _seconds(network: Module, precision: str, step: Callable[[Module, str], Tensor]) -> float:
    """The shortest of three steps forwards and backwards, after one to warm up."""
    times, device = [], next(network.parameters()).device

    def run() -> tuple[()]:
        step(network, precision).backward()  # type: ignore[no-untyped-call]
        return ()

    recorded = Recorded(run, device)
    for _ in range(4):
        began = now(device)
        recorded()
        times.append(now(device) - began)
        clear_gradients(network)
    return min(times[1:])


@cache
def emulates_bfloat16(device: torch.device) -> bool:
    """Whether a device has no instructions for products in bfloat16, as most CPUs.

    It is asked, never timed: a machine answers the same, busy or not.
    """
    if device.type == "cuda":
        return not torch.cuda.is_bf16_supported(including_emulation=False)
    return not NATIVE & processor_flags()


def computing_in(precision: str, device: torch.device) -> torch.autocast:
    """A context in which layers compute in a precision; the weights stay float32."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
