"""Convolution by windows of 3x3 with a quarter of the multiplications: Winograd's minimal filtering.

A kernel and a tile of 6x6 of the images are each mapped to 36 values. Their products, added up over the maps
in, are mapped back to 4x4 results: 36 multiplications a map in place of 144, and the sums over maps are 36
products of matrices. The gradients run through the same mappings, transposed.
Source: Lavin and Gray 2015, "Fast algorithms for convolutional neural networks", section 4.3: F(4x4, 3x3).

The results are those of convolution but for rounding: in float32 up to 1e-5 of the largest. Nothing is kept
for the gradients but the images, as by any convolution: mapping them once more costs less than memory does.
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

MADE = 4
"""The side of a tile of results."""

SEEN = MADE + SIZE - 1
"""The side of what a tile sees of the images."""

OF_IMAGES = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
"""The paper's B transposed: a column of six pixels to six values."""

OF_KERNELS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""Its G: a column of three weights to six values."""

TO_RESULTS = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
"""Its A transposed: six sums of products to a column of four results."""

PART_BYTES = 32 << 20
"""About what the mapped values of the images that are worked on at once take: more come from memory."""

MAPPING = 115.0
"""How many maps a tile's products with a map cost as much as mapping it, in all of a step."""

MAPPING_KERNELS = 60.0
"""How many tiles a kernel's products with a tile cost as much as mapping it, in all of a step."""


def gain(images: Tensor, weight: Tensor, padding: Pair) -> float:
    """How many times as fast as a direct convolution, forwards and backwards, reckoned from the shapes alone.

    A quarter of the products, less what tiles have beyond the edge, and the cost of the mappings: fitted to
    24 layers of 64 to 512 maps on 3x3 to 56x56 places, most of them met within a fifth (2026-11-26, 2 cores
    of an EPYC Zen 3, torch 2.13.0). 0 where nothing is made, or a single image is too large for the cache.
    """
    tiling, (filters, depth) = Tiling.of(images, padding), weight.shape[:2]
    if min(tiling.results) < 1 or tiling.bytes_a_image(weight) > PART_BYTES:
        return 0.0
    inside = prod(tiling.results) / (MADE**2 * tiling.count)
    mapping = MAPPING * (1 / depth + 1 / filters) + MAPPING_KERNELS / (len(images) * tiling.count)
    return (MADE * SIZE / SEEN) ** 2 * inside / (1 + mapping)


class Winograd(torch.autograd.Function):
    """The convolution of n x depth x h x w by filters x depth x 3 x 3, stride 1, padded by zeros.

    Of any floating-point type. Its gradients can be differentiated again: then they are PyTorch's.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, padding: Pair) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.padding = padding
        tiling, kernels = Tiling.of(images, padding), _mapped_kernels(weight)
        of_images, to_results = _both_ways(OF_IMAGES, images), _both_ways(TO_RESULTS, images)
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
        if torch.is_grad_enabled():  # to be differentiated again
            wanted = (for_images, for_weight, for_bias)
            geometry = ((1, 1), ctx.padding, (1, 1), False, (0, 0), 1)
            parts = (gradient, images, weight, [len(weight)] if for_bias else None)
            return *torch.ops.aten.convolution_backward(*parts, *geometry, wanted), None
        tiling, kernels = Tiling.of(images, ctx.padding), _mapped_kernels(weight)
        of_images, to_results = _both_ways(OF_IMAGES, images), _both_ways(TO_RESULTS, images)
        of_sums, of_mapped = to_results.T.contiguous(), of_images.T.contiguous()
        by_images = torch.empty_like(images) if for_images else None
        by_kernels = torch.zeros_like(kernels) if for_weight else None
        for part in tiling.parts(images, weight):
            sums = of_sums @ tiling.cut_results(_rows(gradient)[part])
            if by_kernels is not None:
                mapped = of_images @ tiling.cut_images(_rows(images)[part])
                by_kernels.baddbmm_(mapped.permute(1, 2, 0), sums.transpose(0, 1))
            if by_images is not None:
                mapped = of_mapped @ _products(sums, kernels.transpose(1, 2))
                _rows(by_images)[part] = tiling.overlapped(mapped)
        by_weight = None if by_kernels is None else _of_mapped_kernels(by_kernels)
        return by_images, by_weight, gradient.sum((0, 2, 3)) if for_bias else None, None


def _rows(maps: Tensor) -> Tensor:
    """Maps, n x depth x h x w, seen as n x h x w x depth."""
    return maps.permute(0, 2, 3, 1)


def _mapped_kernels(weight: Tensor) -> Tensor:
    """The mapped kernels, 36 x depth x filters."""
    filters, depth = weight.shape[:2]
    flat = weight.permute(2, 3, 1, 0).reshape(SIZE**2, -1)
    return (_both_ways(OF_KERNELS, weight) @ flat).view(SEEN**2, depth, filters)


def _of_mapped_kernels(gradient: Tensor) -> Tensor:
    """The gradient of the weight, of that of the mapped kernels."""
    flat = _both_ways(OF_KERNELS, gradient).T @ gradient.flatten(1)
    return flat.view(SIZE, SIZE, *gradient.shape[1:]).permute(3, 2, 0, 1)


def _products(mapped: Tensor, kernels: Tensor) -> Tensor:
    """The sums over maps of the products, tiles x 36 x maps out, of tiles x 36 x maps in."""
    out = mapped.new_empty(*mapped.shape[:2], kernels.shape[2])
    torch.bmm(mapped.transpose(0, 1), kernels, out=out.transpose(0, 1))
    return out


@dataclass(frozen=True, slots=True)
class Tiling:
    """How results lie in tiles, and where on the images these look; in all its tensors the maps are last."""

    images: Pair
    padding: Pair
    results: Pair

    @classmethod
    def of(cls, images: Tensor, padding: Pair) -> Tiling:
        """The tiling of images, n x depth x h x w."""
        plane = images.shape[2], images.shape[3]
        height, width = (side + 2 * pad - SIZE + 1 for side, pad in zip(plane, padding, strict=True))
        return cls(plane, padding, (height, width))

    @property
    def tiles(self) -> Pair:
        """How many tiles there are, down and across."""
        height, width = self.results
        return -(-height // MADE), -(-width // MADE)

    @property
    def count(self) -> int:
        """How many tiles an image has."""
        return prod(self.tiles)

    def bytes_a_image(self, weight: Tensor) -> int:
        """What the mapped values of an image take, or of its results if these are more."""
        return SEEN**2 * self.count * max(weight.shape[:2]) * weight.itemsize

    def parts(self, images: Tensor, weight: Tensor) -> Iterator[slice]:
        """Which images to work on at once."""
        step = max(1, PART_BYTES // self.bytes_a_image(weight))
        return (slice(first, first + step) for first in range(0, len(images), step))

    def cut_images(self, images: Tensor) -> Tensor:
        """What the tiles see, (n * tiles) x 36 x maps; zeros around the images."""
        (height, width), (up, left), (down, across) = self.images, self.padding, self.tiles
        beyond = SEEN - MADE
        right, below = MADE * across + beyond - left - width, MADE * down + beyond - up - height
        padded = F.pad(images, (0, 0, left, right, up, below))
        tiles = padded.unfold(1, SEEN, MADE).unfold(2, SEEN, MADE).permute(0, 1, 2, 4, 5, 3)
        return tiles.reshape(-1, SEEN**2, images.shape[3])

    def overlapped(self, tiles: Tensor) -> Tensor:
        """The images of which each place is the sum of all that `cut_images` makes of it."""
        (height, width), (up, left), (down, across) = self.images, self.padding, self.tiles
        maps = tiles.shape[2]
        cut = tiles.view(-1, down, across, SEEN, SEEN, maps).permute(0, 1, 3, 2, 4, 5)
        whole = tiles.new_zeros(len(cut), down + 1, MADE, across + 1, MADE, maps)
        own, next_ = slice(MADE), slice(MADE, SEEN)
        for (i, rows), (j, columns) in product(enumerate((own, next_)), repeat=2):
            part = cut[:, :, rows, :, columns]
            whole[:, i : i + down, : part.shape[2], j : j + across, : part.shape[4]] += part
        whole = whole.view(len(cut), MADE * (down + 1), MADE * (across + 1), maps)
        return whole[:, up : up + height, left : left + width]

    def cut_results(self, results: Tensor) -> Tensor:
        """Results as tiles, (n * tiles) x 16 x maps; zeros beyond the edge."""
        (height, width), (down, across), maps = self.results, self.tiles, results.shape[3]
        whole = F.pad(results, (0, 0, 0, MADE * across - width, 0, MADE * down - height))
        tiles = whole.reshape(-1, down, MADE, across, MADE, maps).transpose(2, 3)
        return tiles.reshape(-1, MADE**2, maps)

    def joined(self, tiles: Tensor) -> Tensor:
        """Tiles as results: `cut_results` the other way."""
        (height, width), (down, across), maps = self.results, self.tiles, tiles.shape[2]
        whole = tiles.view(-1, down, across, MADE, MADE, maps).transpose(2, 3)
        return whole.reshape(-1, MADE * down, MADE * across, maps)[:, :height, :width]


def _both_ways(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """A mapping of columns, applied to the columns and the rows of a tile at once."""
    one = torch.tensor(matrix, dtype=torch.float64, device=like.device)
    return torch.kron(one, one).to(like.dtype)
