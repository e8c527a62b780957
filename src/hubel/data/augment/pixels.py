"""Pixels: between the bytes of images and the numbers one reckons with."""

from __future__ import annotations

import torch

from hubel.data.pinned import moved

WHITE = 255


def rounded(values: torch.Tensor) -> torch.Tensor:
    """Returns the nearest uint8 of each value; what lies outside 0 to 255 becomes black or white.

    `values` are floats of the caller's own: they are overwritten.
    """
    return values.round_().clamp_(0, WHITE).to(torch.uint8)


def each(numbers: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Returns one number for each image (n) as float32 n x 1 x 1 x 1, where the images are."""
    return moved(numbers.float(), images.device).view(-1, 1, 1, 1)
