"""Converting between uint8 pixels and float values."""

from __future__ import annotations

import torch

from hubel.data.pinned import moved

WHITE = 255


def rounded(values: torch.Tensor) -> torch.Tensor:
    """Returns values rounded to uint8, clipped to 0 to 255; the given floats are overwritten."""
    return values.round_().clamp_(0, WHITE).to(torch.uint8)


def each(numbers: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Returns one number per image (n) as float32, n x 1 x 1 x 1, on the images' device."""
    return moved(numbers.float(), images.device).view(-1, 1, 1, 1)
