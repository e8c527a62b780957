"""Convolution with small output maps as matrix products, on a CPU.

On a CPU, PyTorch's convolution reaches the machine's peak rate on large maps alone. In bfloat16 the gradient
of the weights reaches about half of it on maps of 4x4, and a sixth to a quarter on 2x2; in float32 everything
reaches a third on 2x2. Here the windows are laid out as the rows of a matrix, which takes little time while
they fit into the cache. The rest is matrix products, which reach nearly the peak rate.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.net.window import Pair

MOST_POSITIONS = 49
"""The largest output map, 7x7, for which the gradient of the weights is a matrix product."""

MOST_BYTES = 32 << 20
"""The largest matrix of windows: a larger one does not fit into the cache."""

FEWEST_MAPS = 128
"""The fewest input and output maps for which laying out the windows pays off."""

FILTERS_PER_POSITION = 32
"""How many filters per output position make the forward pass faster as a matrix product, too."""


def is_faster(images: Tensor, weight: Tensor, stride: Pair, padding: Pair, dtype: torch.dtype) -> bool:
    """Whether `Product` is faster than PyTorch's convolution for these images and this weight.

    Images are n x depth x h x w, the weight is filters x depth x height x width, `dtype` the type that is
    computed in. It is estimated from the shapes.
    """
    if min(weight.shape[:2]) < FEWEST_MAPS:
        return False
    plane = _output_plane(images, weight, stride, padding)
    if min(plane) < 1:  # PyTorch's convolution raises the error
        return False
    positions = prod(plane)
    return (
        positions <= MOST_POSITIONS
        and len(images) * positions * weight[0].numel() * dtype.itemsize <= MOST_BYTES
    )


class Product(torch.autograd.Function):
    """A convolution that computes the gradient of its weights as a matrix product; any floating-point type.

    Its output and the gradient of the images are matrix products too where the map is small for the number of
    filters.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd passes them by position
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        plane = _output_plane(images, weight, stride, padding)
        if not _is_small(plane, len(weight)):
            return F.conv2d(images, weight, bias, stride, padding)
        result = _product(images, weight, bias, (stride, padding), plane)
        return result.clone(memory_format=format_of(images))  # a view could not be changed in place

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        images, weight = ctx.saved_tensors
        of_images = of_weight = of_bias = None
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, len(weight))
        if ctx.needs_input_grad[0]:
            of_images = _image_gradient(gradient, images, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            matrix = rows.T @ _windows(images, weight, ctx.stride, ctx.padding)
            of_weight = matrix.view(len(weight), *weight.shape[2:], -1).permute(0, 3, 1, 2)
        if ctx.needs_input_grad[2]:
            of_bias = rows.sum(0)
        return of_images, of_weight, of_bias, None, None


def format_of(images: Tensor) -> torch.memory_format:
    """Returns the memory format of images: channels_last or contiguous."""
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _image_gradient(gradient: Tensor, images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """Returns the gradient of the images: with stride 1 a convolution with the flipped kernels."""
    height, width = weight.shape[2:]
    full, plane = (height - 1 - padding[0], width - 1 - padding[1]), (images.shape[2], images.shape[3])
    if stride == (1, 1) and min(full) >= 0 and _is_small(plane, images.shape[1]):
        return _product(gradient, weight.flip(2, 3).transpose(0, 1), None, (stride, full), plane)
    arguments = (None, stride, padding, (1, 1), False, (0, 0), 1, (True, False, False))
    result: Tensor = torch.ops.aten.convolution_backward(gradient, images, weight, *arguments)[0]
    return result


def _is_small(plane: Pair, filters: int) -> bool:
    """Whether a map is small for its number of filters."""
    return prod(plane) * FILTERS_PER_POSITION <= filters


def _product(
    images: Tensor, weight: Tensor, bias: Tensor | None, geometry: tuple[Pair, Pair], plane: Pair
) -> Tensor:
    """Returns a convolution with this stride and padding as one matrix product, in channels_last."""
    rows, matrix = _windows(images, weight, *geometry), weight.permute(0, 2, 3, 1).flatten(1)
    out = rows @ matrix.T if bias is None else torch.addmm(bias, rows, matrix.T)
    return out.view(len(images), *plane, len(weight)).permute(0, 3, 1, 2)


def _windows(images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Tensor:
    """Returns the windows, (n * positions) x (window height * window width * depth)."""
    height, width = weight.shape[2:]
    down, across = padding
    padded = F.pad(images, (across, across, down, down)) if down or across else images
    windows = padded.permute(0, 2, 3, 1).unfold(1, height, stride[0]).unfold(2, width, stride[1])
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, height * width * images.shape[1])


def _output_plane(images: Tensor, weight: Tensor, stride: Pair, padding: Pair) -> Pair:
    """Returns the number of window positions down and across."""
    rows, columns = (
        (side + 2 * pad - size) // step + 1
        for side, pad, size, step in zip(images.shape[2:], padding, weight.shape[2:], stride, strict=True)
    )
    return rows, columns
