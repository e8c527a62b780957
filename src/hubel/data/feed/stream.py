"""Streaming: sets too large for memory are read anew every epoch, by processes that work ahead."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hubel.cores import allowed_cores
from hubel.data.augment.colour import Colours
from hubel.data.feed.bad import Bad, UnusableError
from hubel.data.feed.batches import AHEAD, Batch, Batches, renumbered
from hubel.data.feed.decoded import read_all
from hubel.data.formats.shards import read_ahead
from hubel.data.pinned import moved
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self, Unpack

    from hubel.data.arrays import Bytes, Flags, Indices, Labels
    from hubel.data.dataset import Images
    from hubel.data.feed.batches import Cut
    from hubel.data.image.preprocess import Preprocessing

SAMPLE = 10_000
"""How many images of a stream it is measured by."""


@dataclass(frozen=True, eq=False)
class Streamed:
    """Images that stay where they are stored, each read when asked for: the `Feed` of a set too large.

    `labels`: int64, n, not always those of `images`, since they may be renumbered.
    """

    images: Images
    preprocessing: Preprocessing
    labels: Labels
    skipped: tuple[Bad, ...] = ()

    @classmethod
    def of(cls, images: Images, preprocessing: Preprocessing, skipped: tuple[Bad, ...] = ()) -> Self:
        """Returns a stream of images; none is read yet."""
        return cls(images, preprocessing, images.labels, skipped)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> Bytes:
        """One image: uint8, h x w x c. Raises DataError: it cannot be used."""
        return self.images.fitted(place, self.preprocessing)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of each image."""
        return tuple(self.images.name(index) for index in range(len(self.images)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and depth of every image."""
        return self.preprocessing.height, self.preprocessing.width, self.preprocessing.depth

    @cached_property
    def colours(self) -> Colours:
        """The colours of the sample, read once. Raises DataError: as `sample`."""
        return Colours.of(torch.from_numpy(self.sample()))

    def sample(self) -> Bytes:
        """At most 10,000 of the images, always the same ones: uint8, n x h x w x c.

        Raises DataError: one of them cannot be used.
        """
        places = self._sampled()
        pixels = np.empty((len(places), *self.shape), np.uint8)
        bad = read_all(self.images.select(places), self.preprocessing, pixels.__setitem__)
        if bad:
            raise UnusableError(list(bad.values()), len(places))
        return pixels

    def marks(self) -> list[bytes] | None:
        """None: the images are not read just for their marks."""
        return None

    def only(self, wanted: Flags) -> Self:
        """Returns the images where `wanted` is true: bool, n."""
        images = self.images.select(np.flatnonzero(wanted))
        return replace(self, images=images, labels=self.labels[wanted])

    def relabelled(self, classes: tuple[str, ...], wanted: tuple[str, ...]) -> Self:
        """Returns the same images, their labels renumbered from `classes` to `wanted`.

        Raises DataError: an image of a class that `wanted` lacks.
        """
        return replace(self, labels=renumbered(self, classes, wanted))

    def batches(self, preprocessing: Preprocessing, batch: int, **cut: Unpack[Cut]) -> StreamedBatches:
        """Cuts the images into batches. Raises DataError: as `Batches`."""
        return StreamedBatches(self, preprocessing, batch, **cut)

    def _sampled(self) -> Indices:
        """The places of the sample, drawn at random, ascending."""
        count = len(self.images)
        return np.sort(np.random.default_rng(0).choice(count, min(count, SAMPLE), replace=False))


@dataclass(frozen=True, eq=False)
class StreamedBatches(Batches):
    """Batches of a stream, equal value for value to those of the same images in memory.

    `workers` processes read them, two batches ahead each; with 0 they are read in this process.

    Raises DataError: as `Batches`. Iterating an epoch raises DataError: an image that cannot be used.
    """

    images: Streamed
    workers: int = field(default_factory=allowed_cores)

    def first(self) -> Batch:
        return Batches.first(replace(self, workers=0))  # no process is worth starting for one batch

    def _picked(
        self, number: int, generator: torch.Generator, among: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        places = self._order(generator, among)
        loader: DataLoader[Tensor | str] = DataLoader(
            _Reader(self.images.images, self.images.preprocessing),
            sampler=cast(
                "list[int]", [self.world.part(each) for each in places]
            ),  # an item is a batch's part
            batch_size=None,
            num_workers=self.workers,
            prefetch_factor=AHEAD if self.workers else None,
            generator=torch.Generator(),  # otherwise the loader draws from the global one
        )
        for batch, read in zip(places, loader, strict=True):
            if isinstance(read, str):
                raise DataError(read)
            yield batch, moved(read, self.device)


class _Reader(Dataset["Tensor | str"]):
    """Reads a batch at a time; a DataError crosses from another process as its text."""

    def __init__(self, images: Images, preprocessing: Preprocessing) -> None:
        self._images = images
        self._preprocessing = preprocessing

    def __getitem__(self, places: Tensor) -> Tensor | str:
        try:
            some = read_ahead(self._images, places.tolist())
            pixels = [some.fitted(place, self._preprocessing) for place in places.tolist()]
        except DataError as error:
            return str(error)
        return torch.from_numpy(np.stack(pixels))
