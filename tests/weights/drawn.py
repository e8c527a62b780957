"""Numbers of our own for the tensors of a state_dict, drawn from their names: the same in every library."""

from __future__ import annotations

import math
import zlib

import torch
from torch import Tensor


def drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    """Returns the tensor of a name, as trained weights might be: variances above 0, sums of about 1."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        spread: Tensor = torch.rand(shape, generator=generator) + 0.5
        return spread
    values: Tensor = torch.randn(shape, generator=generator)
    if name.endswith("running_mean"):
        return values * 0.1
    if name.endswith(("layer_scale", "gamma")):
        return 1 + 0.1 * values
    if len(shape) > 1:
        spread_out: Tensor = values * math.sqrt(2 / max(1, math.prod(shape[1:])))
        return spread_out
    return 1 + 0.1 * values if name.endswith("weight") else values * 0.1


def images(side: int = 96) -> Tensor:
    """Two square images."""
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(5))
