"""Batches: epochs over decoded images, each once or some of them once, the same for the same seed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Generator, Tensor

from hubel.data.augment.geometry import resize
from hubel.data.feed.pinned import moved
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubel.data.arrays import Labels
    from hubel.data.augment.colour import Colours
    from hubel.data.augment.own import OwnAugmentation
    from hubel.data.augment.policy import Augmentation
    from hubel.data.feed.decoded import Bad, Decoded
    from hubel.data.image.preprocess import Preprocessing

Batch: TypeAlias = tuple[Tensor, Tensor]

Made: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""The places of a batch's images in their set, its images and its targets."""

Sides: TypeAlias = "Callable[[int], int]"
"""The shorter side, in pixels, of the images of a batch, from its number in the epoch."""

AHEAD = 2
"""How many batches are prepared, or about to be, while one is used."""


def epoch_seed(seed: int, number: int) -> int:
    """The seed of one epoch of a run: apart from those of its other epochs and of other runs."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])


class Epoch(Iterator[Batch]):
    """The batches of one epoch; a thread of its own makes the next ones while one is used.

    `places` are those that the images of the batch that came last have in their set: int64, on the CPU.
    What making a batch raises comes out where the batch would. `close` ends the thread early; it also ends
    with the last batch, and when the epoch is no longer referred to.
    """

    places: Tensor

    def __init__(self, made: Iterator[Made]) -> None:
        self._made = made
        self._thread = ThreadPoolExecutor(1, "batches")
        self._coming: deque[Future[Made | None]] = deque()
        for _ in range(AHEAD):
            self._ask()

    def __next__(self) -> Batch:
        if not self._coming:
            raise StopIteration
        try:
            batch = self._coming.popleft().result()
        except BaseException:
            self.close()
            raise
        if batch is None:
            self.close()
            raise StopIteration
        self._ask()
        self.places, images, targets = batch
        return images, targets

    def close(self) -> None:
        """Ends the epoch and its thread, which finishes the batch it is at."""
        self._coming.clear()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _ask(self) -> None:
        self._coming.append(self._thread.submit(next, self._made, None))


@dataclass(frozen=True, eq=False)
class Batches:
    """Cuts decoded images into batches of `batch`, the last one smaller where it does not divide.

    A last batch of a single image would break batch normalisation, so it joins the one before, which
    then has `batch` + 1. With `shuffle` every epoch has an order of its own; without, all keep the
    images' order. With `balanced` besides, an epoch has as many images, but each class equally often:
    of a frequent class a random part, those of a rare class several times. `dtype` is that of the images.
    `classes` is how many there are, for the targets of mixed images. The images live on `device`.

    Raises DataError: no images, a batch below 1, a negative seed, images of another size than
    `preprocessing` makes, balanced without shuffle, mixing without `classes` for every label.
    """

    decoded: Decoded
    preprocessing: Preprocessing
    batch: int
    shuffle: bool = False
    augmentation: Augmentation | OwnAugmentation | None = None
    seed: int = 0
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32
    balanced: bool = False
    classes: int = 0

    def __post_init__(self) -> None:
        wanted = (self.preprocessing.height, self.preprocessing.width, self.preprocessing.depth)
        if self.batch < 1:
            raise DataError(f"a batch is of at least 1 image, not {self.batch}")
        if self.seed < 0:
            raise DataError(f"a seed is a whole number of at least 0, not {self.seed}")
        if len(self.decoded) == 0:
            raise DataError("there are no images to cut into batches")
        if self.decoded.pixels.shape[1:] != wanted:
            found, made = ("x".join(map(str, shape)) for shape in (self.decoded.pixels.shape[1:], wanted))
            raise DataError(
                f"the images are {found}, but the preprocessing makes {made}; decode them with it"
            )
        if self.balanced and not self.shuffle:
            raise DataError("balanced batches are drawn at random; let them shuffle, or leave balanced")
        if self._mixes and self.classes <= self.labels.max():
            raise DataError(
                f"mixed images need a target for every class, of which there are at least "
                f"{self.labels.max() + 1}, not {self.classes}; say how many with classes"
            )

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return self.batches()

    def batches(self, among: Tensor | None = None) -> int:
        """How many batches an epoch has, of all images or `among` some."""
        return len(self._bounds(among)) - 1

    @property
    def labels(self) -> Labels:
        """The class of every image: int64, n."""
        return self.decoded.labels

    @property
    def names(self) -> tuple[str, ...]:
        """What every image is called."""
        return self.decoded.names

    @property
    def skipped(self) -> tuple[Bad, ...]:
        """Images that could not be used and were left out."""
        return self.decoded.skipped

    def epoch(self, number: int, sides: Sides | None = None, among: Tensor | None = None) -> Epoch:
        """Returns an iterator over images and labels on `device`.

        Images: `dtype`, n x c x h x w, `channels_last` in memory, resized to `sides` if given, which is
        cheap: a network without a fixed size learns faster from small images first.
        Labels: int64, n; or where images are mixed their targets: float32, n x `classes`.
        Of the images only those at the places `among` come, where it is given: int64, rising, on the CPU.

        But for `sides` and `among`, the order and the variants depend on `seed` and `number` alone: any
        epoch can be repeated without those before it.

        As it goes on, raises DataError: as `Augmentation.apply`.
        """
        return Epoch(self._made(number, sides, among))

    def first(self) -> Batch:
        """The first batch of the first epoch, made at once."""
        _, images, targets = next(self._made(0, None, None))
        return images, targets

    def _made(self, number: int, sides: Sides | None, among: Tensor | None) -> Iterator[Made]:
        """The batches one by one, in the thread that asks for them."""
        generator = Generator().manual_seed(epoch_seed(self.seed, number))
        for batch, (indices, pixels) in enumerate(self._picked(number, generator, among)):
            target = self._targets.index_select(0, moved(indices, self.device))
            picked = pixels
            if self.augmentation is not None:
                picked = self.augmentation.apply(
                    picked, generator, indices=indices, epoch=number, colours=self._colours
                )
            if sides is not None:
                picked = resize(picked, sides(batch))
            seen = self.preprocessing.at(list(picked.shape[1:])).normalise(picked)
            if self.augmentation is not None and self._mixes:
                seen, target = self.augmentation.mix(seen, target, self.classes, generator)
            yield indices, seen.to(self.dtype), target

    def _picked(
        self, number: int, generator: Generator, among: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch in turn: the places of the images, and the images on the device."""
        for indices in self._order(generator, among):
            yield indices, self._sample.index_select(0, moved(indices, self.device))

    @cached_property
    def _sample(self) -> Tensor:
        """All images, on the device."""
        return torch.from_numpy(self.decoded.pixels).to(self.device)

    @cached_property
    def _targets(self) -> Tensor:
        """The labels of all images, on the device."""
        return torch.from_numpy(self.labels).to(self.device)

    @property
    def _colours(self) -> Colours | None:
        """The colours of all images, where the augmentation needs them."""
        needed = self.augmentation is not None and self.augmentation.needs_colours
        return self.decoded.colours if needed else None

    def _count(self, among: Tensor | None) -> int:
        """How many images an epoch has."""
        return len(self.decoded) if among is None else len(among)

    @property
    def _mixes(self) -> bool:
        return self.augmentation is not None and self.augmentation.mixes

    def _order(self, generator: Generator, among: Tensor | None) -> list[Tensor]:
        """The places of an epoch's images, batch by batch: int64."""
        places = torch.arange(len(self.decoded)) if among is None else among
        if self.balanced:
            places = places[self._drawn(torch.from_numpy(self.labels)[places], generator)]
        elif self.shuffle:
            places = places[torch.randperm(len(places), generator=generator)]
        return [places[start:end] for start, end in pairwise(self._bounds(among))]

    @staticmethod
    def _drawn(labels: Tensor, generator: Generator) -> Tensor:
        """Each class equally often, and within it each image, as nearly as the numbers allow."""
        ordered, sizes = labels.argsort(stable=True), labels.bincount().tolist()
        classes = [members for members in torch.split(ordered, sizes) if len(members)]
        count = len(labels)
        shares = torch.full((len(classes),), count // len(classes))
        shares[torch.randperm(len(classes), generator=generator)[: count % len(classes)]] += 1
        drawn = []
        for members, share in zip(classes, shares.tolist(), strict=True):
            rounds = -(-share // len(members))
            turns = [torch.randperm(len(members), generator=generator) for _ in range(rounds)]
            drawn.append(members[torch.cat(turns)[:share]])
        return torch.cat(drawn)[torch.randperm(count, generator=generator)]

    def _bounds(self, among: Tensor | None) -> list[int]:
        """Where the batches begin, and where the last one ends."""
        count = self._count(among)
        starts = list(range(0, count, self.batch))
        if self.batch > 1 and len(starts) > 1 and count - starts[-1] == 1:
            starts.pop()
        return [*starts, count]
