"""Convolution by windows of 3x3 with a quarter of the multiplications: Winograd's minimal filtering.

A kernel and a tile of 6x6 of the images are each mapped to 36 values. Their products, added up over the maps
in, are mapped back to 4x4 results: 36 multiplications a map in place of 144, and the sums over maps are 36
products of matrices. The gradients run through the same mappings, transposed.
Source: Lavin and Gray 2015, "Fast algorithms for convolutional neural networks", section 4.3: F(4x4, 3x3).

The results are those of convolution but for rounding: in float32 about 1e-5 of the largest. Nothing is kept
for the gradients but the images, as by any convolution: mapping them once more costs less than memory does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd.function import once_differentiable

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
"""About what the mapped values of the pictures that are worked on at once take: more come from memory."""

MAPPING, KERNELS = 115.0, 60.0
"""What mapping a map costs, in and out, in products of a map with a map; and kernels, in tiles."""


def gain(images: Tensor, weight: Tensor, padding: Pair) -> float:
    """How many times as fast as a direct convolution, forwards and backwards, reckoned from the shapes alone.

    A quarter of the products, less what tiles have beyond the edge, and the cost of the mappings, which
    was fitted to measured layers of 64 to 512 maps on 3x3 to 56x56 places; it was met within a fifth.
    """
    tiling, (filters, depth) = Tiling.of(images, padding), weight.shape[:2]
    inside = prod(tiling.results) / (MADE**2 * tiling.count)
    mapping = MAPPING * (1 / depth + 1 / filters) + KERNELS / (len(images) * tiling.count)
    return 4 * inside / (1 + mapping)


class Winograd(torch.autograd.Function):
    """The convolution of n x depth x h x w by filters x depth x 3 x 3, stride 1; `channels_last` in memory.

    Padding is of zeros. Of any floating-point type; its gradients cannot be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, padding: Pair) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.padding = padding
        tiling, kernels = Tiling.of(images, padding), _mapped_kernels(weight)
        rows = images.permute(0, 2, 3, 1)
        results = rows.new_empty(len(rows), *tiling.results, len(weight))
        of_images, to_results = (_both_ways(of, rows.dtype) for of in (OF_IMAGES, TO_RESULTS))
        for part in tiling.parts(rows, weight):
            sums = _products(of_images @ tiling.cut_images(rows[part]), kernels)
            results[part] = tiling.joined(to_results @ sums)
        if bias is not None:
            results += bias
        return results.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        tiling, kernels = Tiling.of(images, ctx.padding), _mapped_kernels(weight)
        rows, gradients = images.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)
        for_images = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        for_kernels = torch.zeros_like(kernels) if ctx.needs_input_grad[1] else None
        of_images, to_results = (_both_ways(of, rows.dtype) for of in (OF_IMAGES, TO_RESULTS))
        of_sums, of_mapped = to_results.T.contiguous(), of_images.T.contiguous()
        for part in tiling.parts(rows, weight):
            sums = of_sums @ tiling.cut_results(gradients[part])
            if for_kernels is not None:
                mapped = of_images @ tiling.cut_images(rows[part])
                for_kernels.baddbmm_(mapped.permute(1, 2, 0), sums.transpose(0, 1))
            if for_images is not None:
                mapped = of_mapped @ _products(sums, kernels.transpose(1, 2))
                for_images[part] = tiling.overlapped(mapped)
        return (
            None if for_images is None else for_images.permute(0, 3, 1, 2),
            None if for_kernels is None else _of_mapped_kernels(for_kernels),
            gradients.sum((0, 1, 2)) if ctx.needs_input_grad[2] else None,
            None,
        )


def _mapped_kernels(weight: Tensor) -> Tensor:
    """The mapped kernels, 36 x depth x filters."""
    filters, depth = weight.shape[:2]
    flat = weight.permute(2, 3, 1, 0).reshape(SIZE**2, -1)
    return (_both_ways(OF_KERNELS, weight.dtype) @ flat).view(SEEN**2, depth, filters)


def _of_mapped_kernels(gradient: Tensor) -> Tensor:
    """The gradient of the weight, of that of the mapped kernels."""
    flat = _both_ways(OF_KERNELS, gradient.dtype).T @ gradient.flatten(1)
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
        """How many tiles a picture has."""
        return prod(self.tiles)

    def parts(self, images: Tensor, weight: Tensor) -> Iterator[slice]:
        """Which pictures to work on at once."""
        size = SEEN**2 * self.count * max(weight.shape[:2]) * weight.itemsize
        step = max(1, PART_BYTES // size)
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


@cache
def _both_ways(matrix: tuple[tuple[float, ...], ...], kind: torch.dtype) -> Tensor:
    """A mapping of columns, applied to the columns and the rows of a tile at once."""
    one = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(one, one).to(kind)
