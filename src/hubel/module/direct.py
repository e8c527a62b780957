"""Convolution and an activation in one pass, with gradients by the fastest of several ways on a CPU.

On a CPU, four of PyTorch's gradients are slow. That of a bias doubles the time of the filters', though it is
a sum. That of depthwise filters wider than 3 takes dense kernels of eight maps, three to eight times the time
of the forward pass. That of 1x1 filters reaches half the rate of the matrix product that it is. With AMX,
that of filters on narrow maps multiplies zeros for the most part (`narrow`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.module.narrow import images_in_row, side_by_side
from hubel.module.padded import with_zeros
from hubel.net.window import Pair

Limits: TypeAlias = tuple[float, float]
"""The least and the largest value that an activation lets through."""

WIDEST = 3
"""The widest depthwise kernel whose gradient oneDNN computes map by map."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a window slides, without dilation; `limits` are those of the activation behind, None for none."""

    stride: Pair
    padding: Pair
    groups: int = 1
    limits: Limits | None = None


def gains(weight: Tensor, geometry: Geometry) -> bool:
    """Whether the gradients of these filters are faster here: those of 1x1, and depthwise ones."""
    size = tuple(weight.shape[2:])
    pointwise = size == (1, 1) and (geometry.stride, geometry.padding, geometry.groups) == ((1, 1), (0, 0), 1)
    return pointwise or (is_depthwise(weight, geometry.groups) and size[1] > WIDEST)


def is_depthwise(weight: Tensor, groups: int) -> bool:
    """Whether each filter sees one map, a different one each."""
    return groups == len(weight) > 1 and weight.shape[1] == 1


class Direct(torch.autograd.Function):
    """The convolution of n x depth x h x w, and an activation; any floating-point type.

    With an activation its result is kept for the backward pass, and not that of the convolution. It is
    applied in place: the hardtanh that oneDNN fuses into a convolution makes 0 of NaN, and hides that a run
    broke.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        result = F.conv2d(images, weight, bias, geometry.stride, geometry.padding, groups=geometry.groups)
        if geometry.limits:
            result.clamp_(*geometry.limits)
        ctx.save_for_backward(images, weight, result if geometry.limits else None)
        ctx.geometry = geometry
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, result = ctx.saved_tensors
        (gradient,), geometry = gradients, ctx.geometry
        if result is not None:
            gradient = torch.ops.aten.hardtanh_backward(gradient, result, *geometry.limits)
        for_images, for_weight, for_bias, _ = ctx.needs_input_grad
        by_images = _image_gradient(gradient, images, weight, geometry) if for_images else None
        by_weight = _filter_gradient(gradient, images, weight, geometry) if for_weight else None
        return by_images, by_weight, gradient.sum((0, 2, 3)) if for_bias else None, None


def _gradients(
    gradient: Tensor, images: Tensor, weight: Tensor, geometry: Geometry, *, of_images: bool
) -> Tensor:
    """Returns PyTorch's gradient of the images or of the filters."""
    slides = (geometry.stride, geometry.padding, (1, 1), False, (0, 0), geometry.groups)
    wanted = (of_images, not of_images, False)
    found = torch.ops.aten.convolution_backward(gradient, images, weight, None, *slides, wanted)
    return cast("Tensor", found[0 if of_images else 1])


def _image_gradient(gradient: Tensor, images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    return _gradients(gradient, images, weight, geometry, of_images=True)


def _filter_gradient(gradient: Tensor, images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Returns the gradient of the filters: as a matrix product, in strips, side by side, or PyTorch's."""
    slides, gap = (geometry.stride, geometry.padding), geometry.padding[1]
    count = images_in_row(images, weight, *slides, images.dtype) if geometry.groups == 1 else 0
    if count:
        gradient, images = side_by_side(gradient, count, gap), side_by_side(images, count, gap)
        return _gradients(gradient, images, weight, geometry, of_images=False)
    if not gains(weight, geometry):
        return _gradients(gradient, images, weight, geometry, of_images=False)
    if not is_depthwise(weight, geometry.groups):
        return (_rows(gradient).T @ _rows(images))[:, :, None, None]
    return _in_strips(gradient, images, weight, geometry)


def _rows(maps: Tensor) -> Tensor:
    """Returns maps, n x depth x h x w, as (n * h * w) x depth."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _in_strips(gradient: Tensor, images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Returns the gradient of wide depthwise filters from strips of their columns, at most `WIDEST` wide."""
    (down, across), (above, beside) = geometry.stride, geometry.padding
    reach, found = across * (gradient.shape[3] - 1), []
    strip = Geometry((down, across), (above, 0), geometry.groups)
    for first in range(0, weight.shape[3], WIDEST):
        columns = weight[..., first : first + WIDEST]
        seen = _columns(images, first - beside, reach + columns.shape[3])
        found.append(_gradients(gradient, seen, columns, strip, of_images=False))
    return torch.cat(found, 3)


def _columns(images: Tensor, first: int, count: int) -> Tensor:
    """Returns `count` columns of images from the first on; there are zeros around the images."""
    width = images.shape[3]
    left, right = min(count, max(0, -first)), min(count, max(0, first + count - width))
    inside, sides = images[..., first + left : first + count - right], (left, right, 0, 0)
    return F.pad(inside, sides) if torch.is_grad_enabled() else with_zeros(inside, sides)
