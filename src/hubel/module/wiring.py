"""Where values go: parts of the maps, shuffled maps, whole volumes dropped in training, and joins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from hubel.net import layers as spec
    from hubel.net.volume import Volume


class Part(nn.Module):
    """One or several of the equal parts of the maps."""

    def __init__(self, layer: spec.Part, volume: Volume) -> None:
        super().__init__()
        self.layer = layer
        maps = layer.maps(volume.depth)
        self.maps = slice(maps.start, maps.stop)

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to fewer maps of the same size."""
        return images[:, self.maps]


class Shuffle(nn.Module):
    """The maps of several groups, dealt out in turn."""

    def __init__(self, layer: spec.Shuffle) -> None:
        super().__init__()
        self.groups = layer.groups

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to the same."""
        n, depth, *plane = images.shape
        return images.view(n, self.groups, depth // self.groups, *plane).transpose(1, 2).flatten(1, 2)


class DropPath(nn.Module):
    """In training, 0 in place of an image's volume with probability p, and the others divided by 1 - p."""

    def __init__(self, layer: spec.DropPath) -> None:
        super().__init__()
        self.p = layer.p

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to the same."""
        if not self.training or not self.p:
            return images
        stays = images.new_empty(len(images), 1, 1, 1).bernoulli_(1 - self.p)
        return images * (stays / (1 - self.p) if self.p < 1 else stays)


class Concat(nn.Module):
    """Concatenates branches along depth."""

    def forward(self, *branches: Tensor) -> Tensor:
        """Maps n x depth_i x h x w each to n x sum of depths x h x w."""
        return torch.cat(branches, 1)


class Add(nn.Module):
    """Adds branches."""

    def forward(self, *branches: Tensor) -> Tensor:
        """Maps n x depth x h x w each to the same."""
        total = branches[0]
        for branch in branches[1:]:
            total = total + branch
        return total


class Multiply(nn.Module):
    """Multiplies a volume with what a branch says; a single row, column or map of it counts for all."""

    def forward(self, images: Tensor, says: Tensor) -> Tensor:
        """Maps n x depth x h x w, and the same or 1 for each side, to n x depth x h x w."""
        return images * says
