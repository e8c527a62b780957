"""Colour operations: they change pixel values.

Images in and out are uint8, n x h x w x c, of any depth; none is changed in place. `factors`: float32, n, one
per image; 1 changes nothing. Grey is ITU-R 601 luma, as in Pillow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.data.augment.draws import Draws, Random
from hubel.data.augment.pixels import WHITE, each, rounded
from hubel.data.pinned import moved

_LUMA = (0.299, 0.587, 0.114)
_SAMPLE = 1 << 22
_LEVELS = 256


@dataclass(frozen=True, eq=False, slots=True)
class Colours:
    """The colours of a training set: their `mean` and principal `axes`, both on the CPU.

    `mean`: float32, c, from 0 to 255. `axes`: float32, c x c; its columns are the eigenvectors of the
    covariance of the channels, for values from 0 to 1, each as long as its eigenvalue.
    """

    mean: Tensor
    axes: Tensor

    @classmethod
    def of(cls, images: Tensor) -> Colours:
        """Measures images, uint8, n x h x w x c: all up to 4 million pixels, else evenly spaced ones."""
        depth = images.shape[-1]
        step = max(1, images[..., 0].numel() // _SAMPLE)
        values = images[::step].reshape(-1, depth).cpu().double() / WHITE
        lengths, directions = torch.linalg.eigh(torch.cov(values.T, correction=0).view(depth, depth))
        return cls((values.mean(0) * WHITE).float(), (directions * lengths).float())


def pca(images: Tensor, std: float, colours: Colours, random: Random) -> Tensor:
    """Adds one random colour to all pixels of an image: each principal axis times a draw from N(0, `std`).

    Source: Krizhevsky et al. 2012, section 4.1, with `std` 0.1. The paper does not state the unit of pixels;
    here they are from 0 to 1, as in all later implementations.
    """
    count, _, width, depth = images.shape
    draws = Draws.of(random, images).normal(depth) * std
    levels = moved((draws @ colours.axes.T * WHITE).round().to(torch.int16), images.device)
    row = levels[:, None, :].expand(count, width, depth).reshape(count, 1, width * depth)
    values = images.flatten(2).to(torch.int16).add_(row).clamp_(0, WHITE)
    return values.to(torch.uint8).view(images.shape)


def jitter(images: Tensor, by: float, random: Random) -> Tensor:
    """Changes each image's brightness, contrast and saturation, by factors from 1 - `by` to 1 + `by`.

    Source: Howard 2013, "Some improvements on deep convolutional neural network based image classification".
    """
    factors = 1 + by * (2 * Draws.of(random, images).uniform(3) - 1)
    return saturation(contrast(brightness(images, factors[0]), factors[1]), factors[2])


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Moves each image away from black, or towards it."""
    return rounded(images.float().mul_(each(factors, images)))


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Moves each image away from its mean grey, or towards it."""
    mean = _grey(images).mean((1, 2, 3), keepdim=True).round_()
    return _away(mean, images, factors)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Moves each image away from its grey version, or towards it; grey images stay as they are."""
    return images if images.shape[-1] == 1 else _away(_grey(images), images, factors)


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Moves each image away from its smoothed version, or towards it; the outermost pixels stay.

    The filter is Pillow's `SMOOTH`: 5 in the centre, 1 around it.
    """
    depth = images.shape[-1]
    smooth = images.float()
    filters = torch.ones((depth, 1, 3, 3), device=images.device)
    filters[:, :, 1, 1] = 5
    inner = F.conv2d(smooth.permute(0, 3, 1, 2), filters / 13, groups=depth)
    smooth[:, 1:-1, 1:-1] = inner.permute(0, 2, 3, 1)
    return _away(smooth, images, factors)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keeps the highest `bits` (int64, n, from 0 to 8) of each value."""
    mask = (WHITE << (8 - bits)) & WHITE
    return images & moved(mask.to(torch.uint8), images.device).view(-1, 1, 1, 1)


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Inverts values at or above the image's threshold (float32, n)."""
    return torch.where(images >= each(thresholds, images), WHITE - images, images)


def autocontrast(images: Tensor) -> Tensor:
    """Stretches each channel of an image from black to white, unless it is constant."""
    low, high = (bound.float() for bound in torch.aminmax(images.flatten(1, 2), dim=1, keepdim=True))
    span = high - low
    stretched = (images.flatten(1, 2) - low) * (WHITE / span.clamp_min(1))
    return torch.where((span > 0)[:, None], rounded(stretched).view(images.shape), images)


def equalize(images: Tensor) -> Tensor:
    """Equalises the histogram of each channel of an image, exactly as Pillow does."""
    count, height, width, depth = images.shape
    values = images.permute(0, 3, 1, 2).reshape(count * depth, height * width).long()
    counts = values.new_zeros((count * depth, _LEVELS)).scatter_add_(1, values, torch.ones_like(values))
    highest = counts.gather(1, values.amax(1, keepdim=True))
    step = (height * width - highest) // WHITE
    below = counts.cumsum(1) - counts
    table = ((below + step // 2) // step.clamp_min(1)).clamp_(max=WHITE)
    table = torch.where(step > 0, table, torch.arange(_LEVELS, device=images.device))
    equal = table.gather(1, values).to(torch.uint8).view(count, depth, height, width)
    return equal.permute(0, 2, 3, 1).contiguous()


def _grey(images: Tensor) -> Tensor:
    """The images in grey: float32, whole numbers, n x h x w x 1."""
    if images.shape[-1] == 1:
        return images.float()
    return (images.float() @ moved(torch.tensor(_LUMA), images.device)).round_().unsqueeze(-1)


def _away(dull: Tensor, images: Tensor, factors: Tensor) -> Tensor:
    """Interpolates from `dull`, the images without the property, to the images and beyond, by the factors."""
    share = each(factors, images)
    return rounded(images.float().mul_(share).add_(dull * (1 - share)))
