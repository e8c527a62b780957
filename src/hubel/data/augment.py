"""Augmentation: random variants of the training pictures, made a batch at a time on any device.

Images are uint8, n x h x w x c. Every random number is drawn on the CPU from the generator given, so that
one seed means one sequence of variants on every device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from hubel.errors import DataError

if TYPE_CHECKING:
    from hubel.data.pictures import DataSet
    from hubel.data.preprocess import Preprocessing


def shift(images: torch.Tensor, by: int, generator: torch.Generator) -> torch.Tensor:
    """Moves each image by its own random number of pixels, from -`by` to `by` down and across.

    What moves in from outside is black. This is the field's "pad and random crop".
    Source: He et al. 2016, section 4.2, after Lee et al. 2015.

    Raises DataError: `by` of a whole side or more, which would leave nothing of the image.
    """
    count, height, width, depth = images.shape
    if not 0 <= by < min(height, width):
        raise DataError(
            f"a shift by {by} pixels does not suit {height}x{width}; give 0 to {min(height, width) - 1}"
        )
    padded = images.new_zeros((count, height + 2 * by, width + 2 * by, depth))
    padded[:, by : by + height, by : by + width] = images
    windows = padded.unfold(1, height, 1).unfold(2, width, 1).permute(0, 1, 2, 4, 5, 3)
    down, across = torch.randint(2 * by + 1, (2, count), generator=generator).to(images.device)
    return windows[torch.arange(count, device=images.device), down, across]


def flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirrors each image left to right with probability 1/2."""
    chosen = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(chosen[:, None, None, None], images.flip(2), images)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is varied: whether images are mirrored, and by how many pixels at most they are moved.

    Raises DataError: a negative shift.
    """

    flip: bool
    shift: int

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise DataError(f"shift is a number of pixels of at least 0, not {self.shift}")

    @classmethod
    def fitting(cls, dataset: DataSet, preprocessing: Preprocessing) -> Augmentation:
        """Returns what suits a set: flips if `dataset.mirror`, shifts of a sixteenth of the shorter side.

        At 32x32 that is 2 pixels: enough for CIFAR-10, and digits that fill their frame stay whole.

        Raises DataError: as `DataSet.mirror`.
        """
        return cls(dataset.mirror, min(preprocessing.height, preprocessing.width) // 16)

    def apply(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Returns a variant of each image, of the same shape, type and device; `images` stay as they are.

        Raises DataError: as `shift`.
        """
        if self.shift:
            images = shift(images, self.shift, generator)
        return flip(images, generator) if self.flip else images
