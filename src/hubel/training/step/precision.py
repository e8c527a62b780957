"""The precision of a step: float32 or bfloat16, whichever this machine computes faster."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from hubel.device import now
from hubel.training.step.cuda_graph import Recorded, clear_gradients

Module = TypeVar("Module", bound=nn.Module)


GAIN = 0.9
"""The most of float32's time that bfloat16 may take to be chosen."""

EMULATED = 4.0
"""From how many times float32's time a product in bfloat16 is emulated: 50 and more were measured."""

FEWEST_PRODUCTS, MOST_PRODUCTS = 4, 16
"""How many products it takes to see that it is not, and to be sure that it is: a busy machine delays some."""

PRODUCT_SIDE = 128
"""The side of the matrices by which that is told: 0.06 ms in float32, and 2.4 ms where it is emulated."""

PRECISIONS: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""What a step may be computed in; the weights are float32 always."""


def fastest(network: Module, step: Callable[[Module, str], Tensor]) -> str:
    """The precision in which a step of training takes least: measured on a copy, never assumed.

    `step` runs a network forwards in a precision and returns the loss. A single step may take minutes where
    bfloat16 is emulated; there none is made.
    """
    if emulates_bfloat16(next(network.parameters()).device):
        return "float32"
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
    """Whether a device has no instructions for products in bfloat16, as most CPUs; a GPU says so itself.

    On a CPU it is measured, once.
    """
    if device.type == "cuda":
        return not torch.cuda.is_bf16_supported(including_emulation=False)
    matrix = torch.ones(PRODUCT_SIDE, PRODUCT_SIDE, device=device)
    matrices = {precision: matrix.to(kind) for precision, kind in PRECISIONS.items()}
    best = dict.fromkeys(PRECISIONS, math.inf)
    for done in range(1, MOST_PRODUCTS + 1):
        for precision, factor in matrices.items():
            began = now(device)
            factor @ factor
            best[precision] = min(best[precision], now(device) - began)
        if done >= FEWEST_PRODUCTS and best["bfloat16"] <= EMULATED * best["float32"]:
            return False
    return True


def computing_in(precision: str, device: torch.device) -> torch.autocast:
    """A context in which layers compute in a precision; the weights stay float32."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
