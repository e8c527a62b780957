"""The normalisations that PyTorch lacks in this form, and factors per map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

if TYPE_CHECKING:
    from hubel.net import norms as spec
    from hubel.net.volume import Volume


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the maps of each place."""

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to the same."""
        return super().forward(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResponseNorm(nn.Module):
    """Response normalisation over the neighbouring places of each map."""

    def __init__(self, layer: spec.Lrn) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to the same."""
        layer = self.layer
        sums = F.avg_pool2d(images * images, layer.size, 1, layer.size // 2, divisor_override=1)
        return images / sums.mul(layer.alpha).add(layer.k).pow(layer.beta)


class LayerScale(nn.Module):
    """A trained factor for each map."""

    def __init__(self, layer: spec.LayerScale, volume: Volume) -> None:
        super().__init__()
        self.initial = layer.initial
        self.weight = nn.Parameter(torch.full((volume.depth,), layer.initial))

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to the same."""
        return images * self.weight[:, None, None]
