"""The way of images, and of the numbers drawn for them, to the device."""

from __future__ import annotations

import torch
from torch import Tensor


def moved(values: Tensor, device: torch.device | str) -> Tensor:
    """Returns the values on a device.

    A GPU fetches what lies in pinned memory when it comes to it, and whoever makes the batches goes on. From
    other memory the few numbers drawn for each variation wait until it has done all it was asked before,
    steps of training among it.
    """
    if torch.device(device).type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
