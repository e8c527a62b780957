"""Every layer as the lecture writes it: a window slides over a height x width x depth volume.

Plain NumPy, place by place, without a thought for speed. Windows are pairs (height, width).
Source: Stanford CS231n, lecture 5; the papers named at each layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Pair: TypeAlias = tuple[int, int]


def starts(length: int, reach: int, stride: int, pad: int, *, ceil: bool = False) -> list[int]:
    """Where the windows begin along one side, found by sliding: negative in the padding before it.

    With `ceil`, a last window that hangs over the far padding counts if it begins before the padding.
    """
    places: list[int] = []
    at, end = -pad, length + pad
    while at + reach <= end or (ceil and places and at < length and places[-1] + reach < end):
        places.append(at)
        at += stride
    return places


def windows(
    image: Array, size: Pair, stride: Pair, pad: Pair, dilation: Pair = (1, 1), *, ceil: bool = False
) -> Iterator[tuple[int, int, list[int], list[int]]]:
    """Every position (i, j) with the rows and columns of its window, those in the padding included."""
    sides = [
        starts(length, d * (f - 1) + 1, s, p, ceil=ceil)
        for length, f, s, p, d in zip(image.shape[:2], size, stride, pad, dilation, strict=True)
    ]
    for i, top in enumerate(sides[0]):
        for j, left in enumerate(sides[1]):
            rows = [top + dilation[0] * k for k in range(size[0])]
            columns = [left + dilation[1] * k for k in range(size[1])]
            yield i, j, rows, columns


def laid_out(places: dict[Pair, Array]) -> Array:
    """The values at each position as a volume."""
    height, width = (max(place[axis] for place in places) + 1 for axis in (0, 1))
    return np.array([[places[i, j] for j in range(width)] for i in range(height)])


def conv(
    image: Array,
    filters: Sequence[tuple[Sequence[int], Array]],
    biases: Sequence[float],
    *,
    stride: Pair,
    pad: Pair,
    dilation: Pair,
) -> Array:
    """Each filter, (its maps, height x width x maps), is a dot product at each position, plus a bias."""
    height, width, _ = filters[0][1].shape
    padded = np.pad(image, ((pad[0], pad[0]), (pad[1], pad[1]), (0, 0)))
    out = {}
    for i, j, rows, columns in windows(image, (height, width), stride, pad, dilation):
        patch = padded[np.ix_([row + pad[0] for row in rows], [column + pad[1] for column in columns])]
        out[i, j] = np.array(
            [
                float(np.sum(patch[:, :, list(maps)] * weights)) + bias
                for (maps, weights), bias in zip(filters, biases, strict=True)
            ]
        )
    return laid_out(out)


def pool(
    image: Array,
    size: Pair,
    stride: Pair,
    pad: Pair,
    *,
    ceil: bool,
    reduce: Callable[[Array], Array],
    fill: float,
) -> Array:
    """Pooling window by window; values in the padding are `fill`, those beyond it do not count."""
    height, width, depth = image.shape
    out = {}
    for i, j, rows, columns in windows(image, size, stride, pad, ceil=ceil):
        values = [
            image[row, column] if 0 <= row < height and 0 <= column < width else np.full(depth, fill)
            for row in rows
            for column in columns
            if row < height + pad[0] and column < width + pad[1]
        ]
        out[i, j] = reduce(np.array(values))
    return laid_out(out)


def maxpool(image: Array, size: Pair, stride: Pair, pad: Pair, ceil: bool) -> Array:
    return pool(image, size, stride, pad, ceil=ceil, reduce=lambda values: values.max(axis=0), fill=-np.inf)


def avgpool(image: Array, size: Pair, stride: Pair, pad: Pair, ceil: bool) -> Array:
    return pool(image, size, stride, pad, ceil=ceil, reduce=lambda values: values.mean(axis=0), fill=0)


def avgpool_inside(image: Array, size: Pair, stride: Pair, pad: Pair, ceil: bool) -> Array:
    """The mean of the values inside: those of the padding are none."""
    return pool(
        image, size, stride, pad, ceil=ceil, reduce=lambda values: np.nanmean(values, axis=0), fill=np.nan
    )


def subsample(image: Array, size: Pair, coefficients: Array, biases: Array) -> Array:
    """LeCun et al. 1998, section II.B: the inputs of a window are added, times a coefficient, plus a bias."""
    sums = pool(image, size, size, (0, 0), ceil=False, reduce=lambda values: values.sum(axis=0), fill=0)
    return sums * coefficients + biases


def adaptiveavgpool(image: Array, height: int, width: int) -> Array:
    """The mean from floor(i·N/M) up to, without, ceil((i+1)·N/M), in real numbers."""
    rows, columns, depth = image.shape
    out = np.empty((height, width, depth))
    for i in range(height):
        for j in range(width):
            top, bottom = math.floor(i * rows / height), math.ceil((i + 1) * rows / height)
            left, right = math.floor(j * columns / width), math.ceil((j + 1) * columns / width)
            out[i, j] = image[top:bottom, left:right].mean(axis=(0, 1))
    return out


def lrn(image: Array, n: int, alpha: float, beta: float, k: float) -> Array:
    """Krizhevsky et al. 2012, section 3.3: j runs from max(0, i-n/2) to min(N-1, i+n/2), for odd n."""
    maps = image.shape[2]
    out = np.empty_like(image)
    for i in range(maps):
        first, last = max(0, i - n // 2), min(maps - 1, i + n // 2)
        total = sum(image[:, :, j] ** 2 for j in range(first, last + 1))
        out[:, :, i] = image[:, :, i] / (k + alpha * total) ** beta
    return out


def lrn_within(image: Array, n: int, alpha: float, beta: float, k: float) -> Array:
    """cuda-convnet's `rnorm`: the sum is over the n x n places around each, zeros beyond the edge."""
    height, width, _ = image.shape
    out = np.empty_like(image)
    for i in range(height):
        for j in range(width):
            near = image[max(0, i - n // 2) : i + n // 2 + 1, max(0, j - n // 2) : j + n // 2 + 1]
            out[i, j] = image[i, j] / (k + alpha * (near**2).sum(axis=(0, 1))) ** beta
    return out


def layernorm(image: Array, gamma: Array, beta: Array, eps: float) -> Array:
    """Ba et al. 2016, equation 4, over the maps of each place."""
    out = np.empty_like(image)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            values = image[i, j]
            out[i, j] = gamma * (values - values.mean()) / math.sqrt(values.var() + eps) + beta
    return out


def groupnorm(image: Array, groups: int, gamma: Array, beta: Array, eps: float) -> Array:
    """Wu and He 2018, section 3: the mean and the variance are those of a group of maps."""
    out = np.empty_like(image)
    share = image.shape[2] // groups
    for first in range(0, image.shape[2], share):
        values = image[:, :, first : first + share]
        out[:, :, first : first + share] = (values - values.mean()) / math.sqrt(values.var() + eps)
    return out * gamma + beta


def convtranspose(
    image: Array,
    weights: Array,
    biases: Array,
    stride: Pair,
    pad: Pair,
    added: Pair,
    groups: int,
    dilation: Pair,
) -> Array:
    """Each value spreads its filter over the output, maps in x maps out x height x width; the edge is cut."""
    depth, out_maps, *size = weights.shape
    spans = [
        (n - 1) * s + d * (f - 1) + 1
        for n, s, d, f in zip(image.shape[:2], stride, dilation, size, strict=True)
    ]
    whole = np.zeros((spans[0] + added[0], spans[1] + added[1], out_maps * groups))
    for (i, j, k), value in np.ndenumerate(image):
        first = k // (depth // groups) * out_maps
        for a in range(size[0]):
            for b in range(size[1]):
                row, column = i * stride[0] + a * dilation[0], j * stride[1] + b * dilation[1]
                whole[row, column, first : first + out_maps] += value * weights[k, :, a, b]
    cut = whole[pad[0] : whole.shape[0] - pad[0], pad[1] : whole.shape[1] - pad[1]]
    return cut + biases


def upsampled(image: Array, factor: Pair, *, linear: bool) -> Array:
    """Each output lies at (i + 1/2)/factor - 1/2: on the nearest input, or linear between its neighbours."""
    for axis, times in enumerate(factor):
        side = image.shape[axis]
        places = [(i + 0.5) / times - 0.5 for i in range(side * times)]
        lines = []
        for place in places:
            place = min(max(place, 0.0), side - 1.0)  # noqa: PLW2901 - beyond the first and last middle: constant
            below, share = int(place), place - int(place)
            above = min(below + 1, side - 1)
            if linear:
                lines.append((1 - share) * image.take(below, axis) + share * image.take(above, axis))
            else:
                lines.append(image.take(below if share <= 0.5 else above, axis))
        image = np.stack(lines, axis)
    return image


def batchnorm(images: Array, mean: Array, variance: Array, *, gamma: Array, beta: Array, eps: float) -> Array:
    """Ioffe and Szegedy 2015, algorithm 1, its last two lines; n x height x width x depth."""
    return gamma * (images - mean) / np.sqrt(variance + eps) + beta


def flattened(image: Array) -> list[float]:
    """Map by map, each map row by row."""
    height, width, depth = image.shape
    return [image[i, j, k] for k in range(depth) for i in range(height) for j in range(width)]


def fc(image: Array, weights: Array, biases: Array) -> Array:
    """Every unit a dot product with the flattened volume: 1 x 1 x units."""
    values = np.array(flattened(image))
    return np.array([[[float(values @ row) + bias for row, bias in zip(weights, biases, strict=True)]]])


def rbf(image: Array, codes: Array) -> Array:
    """LeCun et al. 1998, equation 7, its negative: minus the sum of (x_j - w_ij)²."""
    values = flattened(image)
    scores = [-sum((x - w) ** 2 for x, w in zip(values, code, strict=True)) for code in codes]
    return np.array([[scores]])


def softmax(image: Array) -> Array:
    """exp(s_k) / Σ exp(s_j) over the depth of each position."""
    powers: Array = np.exp(image)
    sums: Array = powers.sum(axis=2, keepdims=True)
    return powers / sums


def gelu(image: Array) -> Array:
    """x · Φ(x), Φ by the error function. Source: Hendrycks and Gimpel 2016, section 2."""
    normal: Array = np.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in image.flatten()])
    return image * normal.reshape(image.shape)


def padshortcut(image: Array, filters: int, stride: Pair) -> Array:
    """He et al. 2015, section 3.3, option A: every stride-th position, and zeros for the new maps."""
    height, width, depth = image.shape
    return np.array(
        [
            [[*image[i, j], *[0.0] * (filters - depth)] for j in range(0, width, stride[1])]
            for i in range(0, height, stride[0])
        ]
    )
