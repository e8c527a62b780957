"""Mixing: two images are combined into one, with a target that states the share of each class.

Images are float32, n x c x h x w and `channels_last`, as the network sees them; targets are float32, n x
classes, each row of sum 1. Each image gets a partner from its batch and a share of its own, both drawn on the
CPU.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from hubel.data.pinned import moved


def mixup(images: Tensor, targets: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Averages each image with its partner, weighted by a share from Beta(`alpha`, `alpha`); targets too.

    Source: Zhang et al. 2018, equation 1; as there, the share is drawn for each pair.
    """
    partners, shares = _drawn(len(images), alpha, generator)
    partners, shares = moved(partners, images.device), moved(shares, images.device)
    mixed = torch.lerp(_taken(images, partners), images, shares.view(-1, 1, 1, 1))
    return mixed, torch.lerp(targets.index_select(0, partners), targets, shares[:, None])


def cutmix(images: Tensor, targets: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Pastes a rectangle of its partner into each image; the targets are mixed by area.

    A share from Beta(`alpha`, `alpha`) of the image remains, or more if the rectangle, whose centre may be
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
    # torch samples a Beta distribution only with its global generator
    rng = np.random.default_rng(int(torch.randint(2**63 - 1, (), generator=generator)))
    return partners, torch.from_numpy(rng.beta(alpha, alpha, count).astype(np.float32))


def _taken(images: Tensor, places: Tensor) -> Tensor:
    """The images at `places`, kept `channels_last`, which `index_select` alone would not do."""
    return images.permute(0, 2, 3, 1).index_select(0, places).permute(0, 3, 1, 2)
