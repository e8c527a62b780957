"""The device of a run: which one, and its time."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F  # noqa: N812


def best_device() -> torch.device:
    """A CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def warm_up(device: torch.device) -> None:
    """Has a GPU load what it convolves and multiplies with, which takes seconds once."""
    if device.type == "cuda":
        images = torch.ones(2, 4, 8, 8, device=device, requires_grad=True)
        maps = F.conv2d(images, torch.ones(4, 4, 3, 3, device=device))
        (maps.flatten(1) @ maps.flatten(1).T).sum().backward()  # type: ignore[no-untyped-call]
        now(device)


def now(device: torch.device) -> float:
    """The time in seconds, once all that was asked of a device is done: a GPU is asked, and answers later."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
