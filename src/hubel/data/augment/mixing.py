"""Mixing: two images in one, with a target that says how much there is of each class.

Images are float32, n x c x h x w and `channels_last`, as the network sees them; targets float32, n x classes,
each row of sum 1. Each image gets a partner of its own batch and a share of its own; all is drawn on the
CPU.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from hubel.data.pinned import moved


def mixup(images: Tensor, targets: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Adds each image and its partner, weighted by a share from Beta(`alpha`, `alpha`); the targets too.

    Source: Zhang et al. 2018, equation 1; the share is drawn for each pair, as there.
    """
    partners, shares = _drawn(len(images), alpha, generator)
    partners, shares = moved(partners, images.device), moved(shares, images.device)
    mixed = torch.lerp(_taken(images, partners), images, shares.view(-1, 1, 1, 1))
    return mixed, torch.lerp(targets.index_select(0, partners), targets, shares[:, None])


def cutmix(images: Tensor, targets: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Puts a rectangle of its partner into each image; the targets are mixed by the area of each.

    A share from Beta(`alpha`, `alpha`) is left of the image, or more where the rectangle, whose centre is
    any pixel, lies partly outside. Source: Yun et al. 2019, section 3.1.
    """
    count, _, height, width = images.shape
    partners, shares = _drawn(count, alpha, generator)
    within = []
    for length in (height, width):
        half = (length * (1 - shares).sqrt()).long()[:, None] // 2
        places, centres = torch.arange(length), torch.randint(length, (count, 1), generator=generator)
        within.append((places >= centres - half) & (places < centres + half))
    cut = within[0][:, :, None] & within[1][:, None, :]
    kept = 1 - cut.float().mean((1, 2))
    partners, cut, kept = (moved(part, images.device) for part in (partners, cut, kept))
    mixed = torch.where(cut[:, None], _taken(images, partners), images)
    return mixed, torch.lerp(targets.index_select(0, partners), targets, kept[:, None])


def _drawn(count: int, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """A partner for each image (int64, n) and the share it keeps of itself (float32, n)."""
    partners = torch.randperm(count, generator=generator)
    # torch draws from a Beta with its own generator only
    rng = np.random.default_rng(int(torch.randint(2**63 - 1, (), generator=generator)))
    return partners, torch.from_numpy(rng.beta(alpha, alpha, count).astype(np.float32))


def _taken(images: Tensor, places: Tensor) -> Tensor:
    """The images at `places`, `channels_last` too, which `index_select` alone would undo."""
    return images.permute(0, 2, 3, 1).index_select(0, places).permute(0, 3, 1, 2)
