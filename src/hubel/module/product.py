"""Convolution onto small maps as matrix products, on the CPU.

There the library's convolution reaches the machine's rate on large maps, and less on small ones: in bfloat16
for the gradient of the weights about half of it on 4x4, a sixth to a quarter on 2x2; in float32 on 2x2 a
third for all. The windows are laid out as the rows of a matrix, a small part of the time while that fits
into the cache, and the rest is matrix products, which reach nearly all of the rate.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.net.window import Pair

MOST_PLACES = 49
"""The largest map, 7x7, for whose filters the gradient is made by a product."""

MOST_BYTES = 32 << 20
"""The largest matrix of windows: larger ones come from memory, not from the cache."""

FEWEST_MAPS = 128
"""The fewest maps, in and out, that repay laying out the windows."""

FILTERS_A_PLACE = 32
"""How many filters a place of the map must have for the map itself to be made by a product."""


def is_faster(images: Tensor, weight: Tensor, stride: Pair, padding: Pair, kind: torch.dtype) -> bool:
    """Whether a layer is one of those the module's first lines speak of, for these images."""
    if min(weight.shape[:2]) < FEWEST_MAPS:
        return False
    plane = _places(images, weight, stride, padding)
    if min(plane) < 1:  # PyTorch says what is wrong
        return False
    places = prod(plane)
    return places <= MOST_PLACES and len(images) * places * weight[0].numel() * kind.itemsize <= MOST_BYTES


class Product(torch.autograd.Function):
    """A convolution whose filters get their gradient from a product of matrices; of any floating-point type.

    The maps, and the gradient of the images, come from one where there are few places for many filters.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd gives them by place
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        plane = _places(images, weight, stride, padding)
        if not _few(plane, len(weight)):
            return F.conv2d(images, weight, bias, stride, padding)
        found = _product(images, weight, bias, (stride, padding), plane)
        return found.clone(memory_format=format_of(images))  # no view, so that it may be changed in place

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        images, weight = ctx.saved_tensors
        of_images = of_weight = of_bias = None
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, len(weight))
        if ctx.needs_input_grad[0]:
            of_images = _back(gradient, images, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            matrix = rows.T @ _windows(images, weight, ctx.stride, ctx.padding)
            of_weight = matrix.view(len(weight), *weight.shape[2:], -1).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[2]:
            of_bias = rows.sum(0)
        return of_images, of_weight, of_bias, None, None


def format_of(images: Tensor) -> torch.memory_format:
    """How images lie in memory."""
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _back(gradient: Tensor, images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """The gradient of the images: with a stride of 1 a convolution again, with the kernels turned around."""
    height, width = weight.shape[2:]
    around, plane = (height - 1 - padding[0], width - 1 - padding[1]), (images.shape[2], images.shape[3])
    if stride == (1, 1) and min(around) >= 0 and _few(plane, images.shape[1]):
        return _product(gradient, weight.flip(2, 3).transpose(0, 1), None, (stride, around), plane)
    arguments = (None, stride, padding, (1, 1), False, (0, 0), 1, (True, False, False))
    found: Tensor = torch.ops.aten.convolution_backward(gradient, images, weight, *arguments)[0]
    return found


def _few(plane: Pair, filters: int) -> bool:
    """Whether a map has few places for so many filters."""
    return prod(plane) * FILTERS_A_PLACE <= filters


def _product(
    images: Tensor, weight: Tensor, bias: Tensor | None, moved: tuple[Pair, Pair], plane: Pair
) -> Tensor:
    """A convolution, `moved` by stride and padding, as one product; `channels_last` in memory."""
    rows, matrix = _windows(images, weight, *moved), weight.permute(0, 2, 3, 1).flatten(1)
    out = rows @ matrix.T if bias is None else torch.addmm(bias, rows, matrix.T)
    return out.view(len(images), *plane, len(weight)).permute(0, 3, 1, 2)


def _windows(images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """What each place sees: (n * places) x (window height * window width * depth)."""
    height, width = weight.shape[2:]
    down, across = padding
    padded = F.pad(images, (across, across, down, down)) if down or across else images
    seen = padded.permute(0, 2, 3, 1).unfold(1, height, stride[0]).unfold(2, width, stride[1])
    return seen.permute(0, 1, 2, 4, 5, 3).reshape(-1, height * width * images.shape[1])


def _places(images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Pair:
    """How many places the windows have, down and across."""
    rows, columns = (
        (side + 2 * pad - size) // step + 1
        for side, pad, size, step in zip(images.shape[2:], padding, weight.shape[2:], stride, strict=True)
    )
    return rows, columns
