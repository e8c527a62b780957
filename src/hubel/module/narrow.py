"""Narrow maps on a CPU with AMX: several images side by side, for the gradient of a convolution's filters.

AMX multiplies matrices in rows of 32 values of bfloat16, and oneDNN's gradient of the filters fills one from
one row of a map: of maps 7 wide most of each product is zeros. Here a row has as many images as fit, with a
gap between them that holds the zeros of the padding. The sum is the same, but for rounding, in a quarter to
three quarters of the time.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from hubel.cores import processor_flags
from hubel.net.window import Pair

ROW = 32
"""The values of a row that AMX multiplies at once."""

NARROWEST, WIDEST = 3, 10
"""The widths for which it pays off: below, a matrix product is as fast; above, PyTorch's gradient."""


@cache
def has_amx() -> bool:
    """Whether the processor multiplies matrices of bfloat16 by AMX."""
    return "amx_bf16" in processor_flags()


def images_in_row(images: Tensor, weight: Tensor, stride: Pair, padding: Pair, dtype: torch.dtype) -> int:
    """How many images to lay side by side for the gradient of the filters; 0 where that is no faster.

    Images are n x depth x h x w, the weight is filters x depth x height x width, `dtype` the type that is
    computed in. It is 0 for strides, and for windows that change the width.
    """
    width, columns = images.shape[3], weight.shape[3]
    if dtype != torch.bfloat16 or stride != (1, 1) or not 1 < columns == 2 * padding[1] + 1:
        return 0
    if not NARROWEST <= width <= WIDEST or not has_amx():
        return 0
    count = ROW // (width + padding[1])
    return count if 1 < count <= len(images) else 0


def side_by_side(maps: Tensor, count: int, gap: int) -> Tensor:
    """Returns rows of `count` images, behind each of which are `gap` columns of zeros; in channels_last.

    Maps are n x depth x h x w, the result is ceil(n / count) x depth x h x (count * (w + gap)). Places of the
    last row without an image are zeros.
    """
    images, depth, height, width = maps.shape
    rows, rest = divmod(images, count)
    result = maps.new_empty((rows + bool(rest), height, count, width + gap, depth))
    result[..., width:, :] = 0
    places = result.permute(0, 2, 4, 1, 3)[..., :width]
    places[:rows] = maps[: rows * count].reshape(rows, count, depth, height, width)
    if rest:
        places[rows, :rest] = maps[rows * count :]
        places[rows, rest:] = 0
    return result.flatten(2, 3).permute(0, 3, 1, 2)
