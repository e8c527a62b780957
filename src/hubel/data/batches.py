"""Batches: epochs over decoded pictures, every picture once in each, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubel.data.augment import Augmentation
    from hubel.data.decoded import Decoded
    from hubel.data.preprocess import Preprocessing


def epoch_seed(seed: int, number: int) -> int:
    """The seed of one epoch of a run: apart from those of its other epochs and of other runs."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])


@dataclass(frozen=True, eq=False)
class Batches:
    """Cuts decoded pictures into batches of `batch`, the last one smaller where it does not divide.

    A last batch of a single picture would break batch normalisation, so it joins the one before, which
    then has `batch` + 1. With `shuffle` every epoch has an order of its own; without, all keep the
    pictures' order.

    Raises DataError: no pictures, a batch below 1, a negative seed, pictures of another size than
    `preprocessing` makes.
    """

    decoded: Decoded
    preprocessing: Preprocessing
    batch: int
    shuffle: bool = False
    augmentation: Augmentation | None = None
    seed: int = 0
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        wanted = (self.preprocessing.height, self.preprocessing.width, self.preprocessing.depth)
        if self.batch < 1:
            raise DataError(f"a batch is of at least 1 picture, not {self.batch}")
        if self.seed < 0:
            raise DataError(f"a seed is a whole number of at least 0, not {self.seed}")
        if len(self.decoded) == 0:
            raise DataError("there are no pictures to cut into batches")
        if self.decoded.images.shape[1:] != wanted:
            found, made = ("x".join(map(str, shape)) for shape in (self.decoded.images.shape[1:], wanted))
            raise DataError(
                f"the pictures are {found}, but the preprocessing makes {made}; decode them with it"
            )

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self._bounds()) - 1

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yields images and labels on `device`.

        Images: float32, n x c x h x w, `channels_last` in memory; labels: int64, n.

        The order and the variants depend on `seed` and `number` alone: any epoch can be repeated without
        those before it.
        """
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, number))
        images, labels = torch.from_numpy(self.decoded.images), torch.from_numpy(self.decoded.labels)
        count = len(self.decoded)
        order = torch.randperm(count, generator=generator) if self.shuffle else torch.arange(count)
        bounds = self._bounds()
        for start, end in pairwise(bounds):
            chosen = order[start:end]
            picked = images[chosen].to(self.device)
            if self.augmentation is not None:
                picked = self.augmentation.apply(picked, generator)
            yield self.preprocessing.normalise(picked), labels[chosen].to(self.device)

    def _bounds(self) -> list[int]:
        """Where the batches begin, and where the last one ends."""
        count = len(self.decoded)
        starts = list(range(0, count, self.batch))
        if self.batch > 1 and len(starts) > 1 and count - starts[-1] == 1:
            starts.pop()
        return [*starts, count]
