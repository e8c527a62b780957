"""Geometric operations: they move pixels.

Images in and out are uint8, n x h x w x c; none is changed in place. All random numbers are drawn on the CPU
from the given generator, or from the draws for a part of a batch.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.data.augment.draws import Draws, Random
from hubel.data.augment.pixels import rounded
from hubel.data.pinned import moved
from hubel.errors import DataError

RATIO = 4 / 3
"""The largest ratio of a crop's sides. Source: Szegedy et al. 2015, section 6."""

ERASED, ERASED_RATIOS = (0.02, 0.33), (0.3, 3.3)
"""The least and the greatest share of an image's area that is erased, and ratio of height to width."""

_TRIES = 10


def shift(images: Tensor, by: int, random: Random) -> Tensor:
    """Moves each image by random numbers of pixels, from -`by` to `by`, vertically and horizontally.

    The border is filled with the image's reflection: black would make edges that no image has at prediction,
    and change the statistics of batch normalisation.
    Source: He et al. 2016, section 4.2, after Lee et al. 2015, who pad with black.

    Raises DataError: `by` is a whole side or more, which would leave nothing of the image.
    """
    count, height, width, depth = images.shape
    if not 0 <= by < min(height, width):
        raise DataError(
            f"a shift by {by} pixels does not fit {height}x{width}; give 0 to {min(height, width) - 1}"
        )
    down, across = Draws.of(random, images).integers(2 * by + 1, 2)[..., None]
    wide = _widened(images.reshape(count * height, width * depth), by, depth)
    rows = (torch.arange(height) + down - by).abs()
    rows = torch.minimum(rows, 2 * (height - 1) - rows)  # reflected at the lower edge, as abs at the upper
    # Each row of the result is one run of bytes in `wide`: copying whole runs is ten times as fast as
    # indexing pixels.
    starts = ((torch.arange(count)[:, None] * height + rows) * (width + 2 * by) + across) * depth
    runs = wide.view(-1).unfold(0, width * depth, 1)
    return runs.index_select(0, moved(starts.flatten(), images.device)).view(images.shape)


def flip(images: Tensor, random: Random) -> Tensor:
    """Mirrors each image left to right with probability 1/2."""
    return _mirrored(images, Draws.of(random, images).uniform() < 0.5)


def alternate(images: Tensor, indices: Tensor, epoch: int) -> Tensor:
    """Mirrors every image in every second epoch: half of them in even epochs, the others in odd ones.

    `indices`: int64, n, on the CPU; the place of each image in its set, whose hash decides which half it is
    in. Two successive epochs show each image both ways; random flips show half of them the same way twice.
    Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", section 3.6.
    """
    return _mirrored(images, (_bits(indices) ^ (epoch & 1)) == 1)


def crop(images: Tensor, least: float, random: Random) -> Tensor:
    """Enlarges a random crop of each image to its full size: at least the share `least` of its area.

    The share is uniform, and so is the logarithm of the aspect ratio, within 3:4 and 4:3; so is the place,
    inside the image. If ten draws do not fit, the image stays whole.
    Source: Szegedy et al. 2015, section 6.
    """
    _, height, width, _ = images.shape
    draws = Draws.of(random, images)
    area, shape = draws.uniform(2, _TRIES)
    area = (least + (1 - least) * area) * height * width
    ratio = torch.exp((2 * shape - 1) * math.log(RATIO))
    wide, tall = (area * ratio).sqrt(), (area / ratio).sqrt()
    fits = (wide <= width) & (tall <= height)
    first = fits.byte().argmax(0, keepdim=True)
    some = fits.any(0)
    wide = torch.where(some, wide.gather(0, first)[0], float(width))
    tall = torch.where(some, tall.gather(0, first)[0], float(height))
    return _cropped(images, wide, tall, draws)


def rescaled(images: Tensor, most: float, least: float, random: Random) -> Tensor:
    """Enlarges a random crop of each image to its full size, as if it was first scaled at random.

    The length that an image is scaled to is uniform, from that of which the input is the share `most` to that
    of which it is the share `least`; so is the place of the crop, which keeps the aspect ratio.
    Source: Simonyan and Zisserman 2014, section 3.1, "scale jittering".
    """
    _, height, width, _ = images.shape
    draws = Draws.of(random, images)
    share = 1 / (1 / most + draws.uniform() * (1 / least - 1 / most))
    return _cropped(images, share * width, share * height, draws)


def cutout(images: Tensor, side: int, fill: Tensor, random: Random) -> Tensor:
    """Covers a random square of `side` pixels in each image with the colour `fill`: c values from 0 to 255.

    Its centre may be any pixel, so part of it may lie outside. Source: DeVries and Taylor 2017, section 3.2,
    who fill with the mean of the training images.

    Raises DataError: the square is larger than the image.
    """
    _, height, width, depth = images.shape
    if side > min(height, width):
        raise DataError(
            f"a cutout of {side} pixels does not fit {height}x{width}; give 0 to {min(height, width)}"
        )
    draws, within = Draws.of(random, images), []
    for length in (height, width):
        starts = draws.integers(length)[:, None] - side // 2
        places = torch.arange(length)
        within.append((places >= starts) & (places < starts + side))
    covered = moved(within[0][:, :, None] & within[1][:, None, :], images.device)
    colour = rounded(moved(fill, images.device).to(torch.float32, copy=True))
    return torch.where(covered[..., None], colour.view(1, 1, 1, depth), images)


def erase(images: Tensor, share: float, fill: Tensor, random: Random) -> Tensor:
    """Covers, with probability `share`, a random rectangle of an image with the colour `fill`, c values.

    Its area is 2 to 33 % of the image's, uniformly, and the logarithm of its ratio uniform from 0.3 to 3.3;
    its place is inside the image. If ten draws do not fit, the image stays as it is.
    Source: Zhong et al. 2017, with the ranges of torchvision's RandomErasing.
    """
    _, height, width, depth = images.shape
    draws = Draws.of(random, images)
    (chosen, left, top), (area, shape) = draws.uniform(3), draws.uniform(2, _TRIES)
    area = (ERASED[0] + (ERASED[1] - ERASED[0]) * area) * height * width
    low, high = (math.log(ratio) for ratio in ERASED_RATIOS)
    ratio = torch.exp(low + (high - low) * shape)
    tall, wide = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (wide < width) & (tall < height)
    first = fits.byte().argmax(0, keepdim=True)
    chosen = (chosen < share) & fits.any(0)
    within = []
    for length, side, start in ((height, tall, top), (width, wide, left)):
        own = side.gather(0, first)[0] * chosen
        begin = (start * (length - own + 1)).floor()[:, None]
        places = torch.arange(length)
        within.append((places >= begin) & (places < begin + own[:, None]))
    covered = moved(within[0][:, :, None] & within[1][:, None, :], images.device)
    colour = rounded(moved(fill, images.device).to(torch.float32, copy=True))
    return torch.where(covered[..., None], colour.view(1, 1, 1, depth), images)


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Resamples each image: its pixel at (x, y) comes from (a x + b y + c, d x + e y + f).

    `matrices`: float32, n x 2 x 3, rows (a, b, c) and (d, e, f); x and y in pixels from the upper left
    corner, the centre of the first pixel at 0.5, as in Pillow. Outside the image is black.
    """
    _, height, width, _ = images.shape
    x, y = torch.arange(width) + 0.5, (torch.arange(height) + 0.5)[:, None]
    a, b, c, d, e, f = matrices.flatten(1).T[:, :, None, None]
    return _sampled(images, a * x + b * y + c, d * x + e * y + f, "zeros")


def resize(images: Tensor, side: int) -> Tensor:
    """Resizes images to a shorter side of `side` pixels: bilinear, antialiased when shrinking."""
    scale = side / min(images.shape[1:3])
    if scale == 1:
        return images
    plane = [round(length * scale) for length in images.shape[1:3]]
    planes = images.permute(0, 3, 1, 2)
    if images.device.type != "cpu":  # only the CPU can resize uint8, which is seven times as fast there
        planes = planes.float()
    resized = F.interpolate(planes, plane, mode="bilinear", antialias=True, align_corners=False)
    resized = resized.permute(0, 2, 3, 1)
    return (rounded(resized) if resized.is_floating_point() else resized).contiguous()


def _cropped(images: Tensor, wide: Tensor, tall: Tensor, draws: Draws) -> Tensor:
    """A crop of each image at a random place, so wide and tall in pixels, enlarged to the image's size."""
    _, height, width, _ = images.shape
    left, top = draws.uniform(2) * torch.stack((width - wide, height - tall))
    across = left[:, None] + (torch.arange(width) + 0.5) * (wide / width)[:, None]
    down = top[:, None] + (torch.arange(height) + 0.5) * (tall / height)[:, None]
    return _sampled(images, across[:, None, :], down[:, :, None], "border")


def _widened(rows: Tensor, by: int, depth: int) -> Tensor:
    """Rows of pixels (uint8, rows x width * depth), extended by `by` reflected pixels at either end."""
    width = rows.shape[1] // depth
    columns = torch.cat((torch.arange(by, 0, -1), torch.arange(width - 2, width - 2 - by, -1)))
    places = (columns[:, None] * depth + torch.arange(depth)).flatten()
    edges = rows.T.index_select(0, moved(places, rows.device)).T  # column by column, not pixel by pixel
    return torch.cat((edges[:, : by * depth], rows, edges[:, by * depth :]), dim=1)


def _mirrored(images: Tensor, chosen: Tensor) -> Tensor:
    """A copy with the chosen images (bool, n, on the CPU) mirrored left to right."""
    places = chosen.nonzero().flatten()
    mirrored = images.index_select(0, moved(places, images.device)).flip(2)
    sources = torch.arange(len(images)).index_copy(0, places, len(images) + torch.arange(len(places)))
    return torch.cat((images, mirrored)).index_select(0, moved(sources, images.device))


def _sampled(images: Tensor, across: Tensor, down: Tensor, outside: str) -> Tensor:
    """Images sampled at the given places, in pixels, by bilinear interpolation.

    `across` and `down`: float32 on the CPU, n x h x w or broadcastable to it. `outside`: as in `grid_sample`.
    """
    count, height, width, _ = images.shape
    places = torch.stack(
        [
            (2 * moved(places, images.device) / length - 1).expand(count, height, width)
            for places, length in ((across, width), (down, height))
        ],
        dim=-1,
    )
    planes = images.permute(0, 3, 1, 2).float()
    found = F.grid_sample(planes, places, "bilinear", outside, align_corners=False)
    return rounded(found.permute(0, 2, 3, 1).contiguous())


def _bits(indices: Tensor) -> Tensor:
    """A pseudo-random bit for each index, always the same: int64, n.

    Source: the finalizer of SplitMix64, Steele et al. 2014.
    """
    mixed = indices.numpy().astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for right, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(right))) * np.uint64(factor)
    return torch.from_numpy((mixed >> np.uint64(63)).astype(np.int64))
