"""3x3 convolution with a quarter of the multiplications: Winograd's minimal filtering.

A kernel and a 6x6 tile of the images are each transformed to 36 values. Their products, summed over the input
maps, are transformed back to 4x4 results. That takes 36 multiplications per map in place of 144, and the sums
over maps are 36 matrix products. The gradients use the same transforms, transposed.
Source: Lavin and Gray 2015, "Fast algorithms for convolutional neural networks", section 4.3: F(4x4, 3x3).

Up to rounding, the results are those of convolution: in float32 within 1e-5 of the largest. Only the images
are saved for the backward pass, as by any convolution, since transforming them again costs less than memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.module.product import format_of
from hubel.net.window import Pair

SIZE = 3
"""The side of a kernel."""

TILE = 4
"""The side of a tile of results."""

INPUT_TILE = TILE + SIZE - 1
"""The side of the tile of the images that a tile of results sees."""

OF_IMAGES = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
"""The paper's B transposed: transforms a column of six pixels to six values."""

OF_KERNELS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""The paper's G: transforms a column of three weights to six values."""

TO_RESULTS = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
"""The paper's A transposed: transforms six sums of products to a column of four results."""

PART_BYTES = 32 << 20
"""The size of the transformed images that are worked on at once: more does not fit into the cache."""

TRANSFORM_COST = 115.0
"""The cost of transforming a tile, in products of the tile with one map, over a training step."""

KERNEL_TRANSFORM_COST = 60.0
"""The cost of transforming a kernel, in products of the kernel with one tile, over a training step."""


def gain(images: Tensor, weight: Tensor, padding: Pair) -> float:
    """Returns the estimated speed-up over a direct convolution, forward and backward, from the shapes alone.

    It counts a quarter of the products, the part of the tiles beyond the edge, and the cost of the
    transforms. That cost was fitted to 24 layers of 64 to 512 maps on 3x3 to 56x56 positions; most of these
    are met within a fifth (2026-11-26, 2 cores of an EPYC Zen 3, torch 2.13.0). Returns 0 where there is no
    output, or where a single image does not fit into the cache.
    """
    tiling, (filters, depth) = Tiling.of(images, padding), weight.shape[:2]
    if min(tiling.results) < 1 or tiling.bytes_per_image(weight) > PART_BYTES:
        return 0.0
    inside = prod(tiling.results) / (TILE**2 * tiling.count)
    transforms = TRANSFORM_COST * (1 / depth + 1 / filters)
    transforms += KERNEL_TRANSFORM_COST / (len(images) * tiling.count)
    return (TILE * SIZE / INPUT_TILE) ** 2 * inside / (1 + transforms)


class Winograd(torch.autograd.Function):
    """The convolution of n x depth x h x w with filters x depth x 3 x 3, stride 1, padded by zeros.

    Takes any floating-point type. For a second derivative, the gradients are PyTorch's.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, padding: Pair) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.padding = padding
        tiling, kernels = Tiling.of(images, padding), _transformed_kernels(weight)
        of_images, to_results = _in_two_dimensions(OF_IMAGES, images), _in_two_dimensions(TO_RESULTS, images)
        shape = (len(images), len(weight), *tiling.results)
        results = torch.empty(
            shape, dtype=images.dtype, device=images.device, memory_format=format_of(images)
        )
        for part in tiling.parts(images, weight):
            sums = _products(of_images @ tiling.cut_images(_rows(images)[part]), kernels)
            _rows(results)[part] = tiling.joined(to_results @ sums)
        return results if bias is None else results.add_(bias[:, None, None])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        for_images, for_weight, for_bias, _ = ctx.needs_input_grad
        if torch.is_grad_enabled():  # for a second derivative
            wanted = (for_images, for_weight, for_bias)
            geometry = ((1, 1), ctx.padding, (1, 1), False, (0, 0), 1)
            parts = (gradient, images, weight, [len(weight)] if for_bias else None)
            return *torch.ops.aten.convolution_backward(*parts, *geometry, wanted), None
        tiling, kernels = Tiling.of(images, ctx.padding), _transformed_kernels(weight)
        of_images, to_results = _in_two_dimensions(OF_IMAGES, images), _in_two_dimensions(TO_RESULTS, images)
        of_sums, of_transformed = to_results.T.contiguous(), of_images.T.contiguous()
        by_images = torch.empty_like(images) if for_images else None
        by_kernels = torch.zeros_like(kernels) if for_weight else None
        for part in tiling.parts(images, weight):
            sums = of_sums @ tiling.cut_results(_rows(gradient)[part])
            if by_kernels is not None:
                transformed = of_images @ tiling.cut_images(_rows(images)[part])
                by_kernels.baddbmm_(transformed.permute(1, 2, 0), sums.transpose(0, 1))
            if by_images is not None:
                transformed = of_transformed @ _products(sums, kernels.transpose(1, 2))
                _rows(by_images)[part] = tiling.overlapped(transformed)
        by_weight = None if by_kernels is None else _weight_gradient(by_kernels)
        return by_images, by_weight, gradient.sum((0, 2, 3)) if for_bias else None, None


def _rows(maps: Tensor) -> Tensor:
    """Returns a view of maps, n x depth x h x w, as n x h x w x depth."""
    return maps.permute(0, 2, 3, 1)


def _transformed_kernels(weight: Tensor) -> Tensor:
    """Returns the transformed kernels, 36 x depth x filters."""
    filters, depth = weight.shape[:2]
    flat = weight.permute(2, 3, 1, 0).reshape(SIZE**2, -1)
    return (_in_two_dimensions(OF_KERNELS, weight) @ flat).view(INPUT_TILE**2, depth, filters)


def _weight_gradient(gradient: Tensor) -> Tensor:
    """Returns the gradient of the weight from that of the transformed kernels."""
    flat = _in_two_dimensions(OF_KERNELS, gradient).T @ gradient.flatten(1)
    return flat.view(SIZE, SIZE, *gradient.shape[1:]).permute(3, 2, 0, 1)


def _products(transformed: Tensor, kernels: Tensor) -> Tensor:
    """Returns the products summed over maps, tiles x 36 x maps out, of tiles x 36 x maps in."""
    out = transformed.new_empty(*transformed.shape[:2], kernels.shape[2])
    torch.bmm(transformed.transpose(0, 1), kernels, out=out.transpose(0, 1))
    return out


@dataclass(frozen=True, slots=True)
class Tiling:
    """How results are cut into tiles, and what each sees of the images; in all tensors the maps are last."""

    images: Pair
    padding: Pair
    results: Pair

    @classmethod
    def of(cls, images: Tensor, padding: Pair) -> Tiling:
        """Returns the tiling of images, n x depth x h x w."""
        plane = images.shape[2], images.shape[3]
        height, width = (side + 2 * pad - SIZE + 1 for side, pad in zip(plane, padding, strict=True))
        return cls(plane, padding, (height, width))

    @property
    def tiles(self) -> Pair:
        """The number of tiles down and across."""
        height, width = self.results
        return -(-height // TILE), -(-width // TILE)

    @property
    def count(self) -> int:
        """The number of tiles per image."""
        return prod(self.tiles)

    def bytes_per_image(self, weight: Tensor) -> int:
        """Returns the bytes of the transformed values of an image, or of its results if these are more."""
        return INPUT_TILE**2 * self.count * max(weight.shape[:2]) * weight.itemsize

    def parts(self, images: Tensor, weight: Tensor) -> Iterator[slice]:
        """Returns slices of the images that are worked on at once."""
        step = max(1, PART_BYTES // self.bytes_per_image(weight))
        return (slice(first, first + step) for first in range(0, len(images), step))

    def cut_images(self, images: Tensor) -> Tensor:
        """Returns the tiles of the images, (n * tiles) x 36 x maps; there are zeros around the images."""
        (height, width), (up, left), (down, across) = self.images, self.padding, self.tiles
        beyond = INPUT_TILE - TILE
        right, below = TILE * across + beyond - left - width, TILE * down + beyond - up - height
        padded = F.pad(images, (0, 0, left, right, up, below))
        tiles = padded.unfold(1, INPUT_TILE, TILE).unfold(2, INPUT_TILE, TILE).permute(0, 1, 2, 4, 5, 3)
        return tiles.reshape(-1, INPUT_TILE**2, images.shape[3])

    def overlapped(self, tiles: Tensor) -> Tensor:
        """Returns images from tiles, their overlapping values added: `cut_images` transposed."""
        (height, width), (up, left), (down, across) = self.images, self.padding, self.tiles
        maps = tiles.shape[2]
        cut = tiles.view(-1, down, across, INPUT_TILE, INPUT_TILE, maps).permute(0, 1, 3, 2, 4, 5)
        whole = tiles.new_zeros(len(cut), down + 1, TILE, across + 1, TILE, maps)
        own, next_ = slice(TILE), slice(TILE, INPUT_TILE)
        for (i, rows), (j, columns) in product(enumerate((own, next_)), repeat=2):
            part = cut[:, :, rows, :, columns]
            whole[:, i : i + down, : part.shape[2], j : j + across, : part.shape[4]] += part
        whole = whole.view(len(cut), TILE * (down + 1), TILE * (across + 1), maps)
        return whole[:, up : up + height, left : left + width]

    def cut_results(self, results: Tensor) -> Tensor:
        """Returns results as tiles, (n * tiles) x 16 x maps; there are zeros beyond the edge."""
        (height, width), (down, across), maps = self.results, self.tiles, results.shape[3]
        whole = F.pad(results, (0, 0, 0, TILE * across - width, 0, TILE * down - height))
        tiles = whole.reshape(-1, down, TILE, across, TILE, maps).transpose(2, 3)
        return tiles.reshape(-1, TILE**2, maps)

    def joined(self, tiles: Tensor) -> Tensor:
        """Returns tiles as results: the inverse of `cut_results`."""
        (height, width), (down, across), maps = self.results, self.tiles, tiles.shape[2]
        whole = tiles.view(-1, down, across, TILE, TILE, maps).transpose(2, 3)
        return whole.reshape(-1, TILE * down, TILE * across, maps)[:, :height, :width]


def _in_two_dimensions(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """Returns the matrix that applies a transform of columns to the columns and rows of a flat tile."""
    one = torch.tensor(matrix, dtype=torch.float64, device=like.device)
    return torch.kron(one, one).to(like.dtype)
