"""Zeros around maps on a CPU: PyTorch fills the whole result with zeros first, and copies its gradient."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor

Sides: TypeAlias = tuple[int, int, int, int]
"""How many zeros are left, right, above and below, in the order of `F.pad`."""


def with_zeros(maps: Tensor, sides: Sides) -> Tensor:
    """Returns maps, n x depth x h x w, with zeros around them, in channels_last; for no gradient."""
    left, right, top, bottom = sides
    count, depth, height, width = maps.shape
    shape = (count, depth, height + top + bottom, width + left + right)
    result = torch.empty(shape, dtype=maps.dtype, device=maps.device, memory_format=torch.channels_last)
    result[:, :, :top] = 0
    result[:, :, top + height :] = 0
    inside = result[:, :, top : top + height]
    inside[..., :left] = 0
    inside[..., left + width :] = 0
    inside[..., left : left + width] = maps
    return result


class Padded(torch.autograd.Function):
    """Maps with zeros around them; the gradient is a view of that of the result."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, sides: Sides) -> Tensor:
        ctx.place, ctx.plane = (sides[2], sides[0]), maps.shape[2:]
        return with_zeros(maps, sides)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (top, left), (height, width) = gradients, ctx.place, ctx.plane
        return gradient[:, :, top : top + height, left : left + width], None
