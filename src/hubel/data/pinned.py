"""Moving tensors to a device through pinned memory."""

from __future__ import annotations

import torch
from torch import Tensor


def moved(values: Tensor, device: torch.device | str) -> Tensor:
    """Returns the values on a device.

    A copy from pinned memory to a GPU is asynchronous, so the thread that makes batches goes on at once. A
    copy from other memory would wait for all work queued on the GPU, including training steps.
    """
    if torch.device(device).type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
