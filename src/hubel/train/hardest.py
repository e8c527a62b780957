"""The pictures that are hardest for a network in training: epochs of these alone teach more in a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


@dataclass(slots=True)
class Hardest:
    """Which pictures an epoch sees: a `share` of those seen before, the hardest, and those never seen.

    A picture is as hard as its loss was when it was last seen; what it then learns makes it easier, and
    others take its place. `losses`: float32, one a picture, infinite before it is first seen. `picked`: the
    places of the running epoch's pictures, int64, rising.
    Source: after the filtering of easy pictures in Jordan's CIFAR-10 speed record for 96 %, 2024, where a
    small network of its own judges them.
    """

    share: float
    losses: Tensor
    picked: Tensor

    @classmethod
    def of(cls, share: float, pictures: int) -> Hardest:
        """Before the first epoch, which sees all of so many pictures."""
        return cls(share, torch.full((pictures,), math.inf), torch.arange(pictures))

    def pick(self) -> None:
        """Picks the pictures of the next epoch."""
        seen = int(self.losses.isfinite().sum())
        count = len(self.losses) - seen + math.ceil(self.share * seen)
        self.picked = self.losses.argsort(descending=True, stable=True)[:count].sort().values

    def saw(self, places: Tensor, scores: Tensor, targets: Tensor) -> None:
        """Remembers how hard the pictures of a batch were, by the network's scores of them."""
        self.losses[places] = F.cross_entropy(scores, targets, reduction="none").cpu()
