"""Streams of shards: sets on the net that are too large for memory, read anew every epoch in their order.

The library `webdataset` opens the shards, one after another in each of several processes, and mixes what
comes out of them; it is held against the index, so that no image is missing, and none comes twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from hubel.data.feed.batches import AHEAD, epoch_seed
from hubel.data.feed.pinned import moved
from hubel.data.feed.stream import OnDemand, StreamedBatches
from hubel.data.formats.shard_index import kept_in, library, parted, trouble
from hubel.data.formats.shards import ShardImages
from hubel.data.image.reading import Encoded
from hubel.errors import DataError

BUFFER = 2000
"""How many images all processes together hold back, as files, to draw the next one from."""

_CHUNK = 32
"""How many images a process hands over at once."""


@dataclass(frozen=True, eq=False)
class ShardBatches(StreamedBatches):
    """Cuts shards on the net into batches: as `StreamedBatches`, but what is shuffled comes shard by shard.

    In every epoch the shards are in another order, dealt to the processes, and their images are drawn from
    a buffer; every image, or each of those asked for, comes once. The same seed, epoch and number of
    processes give the same batches.
    Where RANK and WORLD_SIZE or torch say that several programs train together, each has its own part of the
    shards, always the same one. What is not shuffled is in the images' order, all of it in every program.

    Raises DataError: as `StreamedBatches`; balanced batches; fewer shards than programs; the library is
    missing. As an epoch goes on: a shard that cannot be read to its end, or has changed since it was indexed.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.balanced:
            raise DataError(
                "shards on the net come in their own order, so no class can be drawn more often; balance the "
                "loss instead, or download the shards"
            )
        if self.shuffle and self._count(None) == 0:
            raise DataError(f"there are only {len(self._images.shards)} shards; train in fewer programs")

    @property
    def _images(self) -> ShardImages:
        return cast("ShardImages", cast("OnDemand", self.decoded.pixels).images)

    @cached_property
    def _own(self) -> list[int]:
        """The shards that this program reads, of those that have images to show."""
        there = np.unique(self._images.which).tolist()
        return list(library(self._images.name(0)).split_by_node(there))

    def _count(self, among: Tensor | None) -> int:
        """How many images an epoch has: some of those of the program's own shards."""
        return int(self._shown(among).sum()) if self.shuffle else super()._count(among)

    def _shown(self, among: Tensor | None) -> NDArray[np.bool_]:
        """Which images come in an epoch of this program."""
        own = np.isin(self._images.which, self._own)
        if among is None:
            return own
        asked = np.zeros_like(own)
        asked[among.numpy()] = True
        return own & asked

    def _picked(
        self, number: int, generator: torch.Generator, among: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if not self.shuffle:
            yield from super()._picked(number, generator, among)
            return
        own = [self._own[place] for place in torch.randperm(len(self._own), generator=generator).tolist()]
        workers = min(self.workers, len(own))
        images, seed = cast("OnDemand", self.decoded.pixels), epoch_seed(self.seed, number)
        loader: DataLoader[tuple[Tensor, Tensor] | str] = DataLoader(
            _Arriving(images, own, self._shown(among), seed, workers),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=AHEAD if workers else None,
            generator=torch.Generator(),  # or it would draw from everybody's
        )
        for places, pixels in _cut(loader, np.diff(self._bounds(among)).tolist()):
            yield places, moved(pixels, self.device)


def _cut(
    chunks: Iterable[tuple[Tensor, Tensor] | str], sizes: Iterable[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Cuts chunks of places and images into batches of these sizes. Raises DataError: a text came."""
    coming, waiting, there = iter(chunks), list[tuple[Tensor, Tensor]](), 0
    for size in sizes:
        while there < size:
            chunk = next(coming)
            if isinstance(chunk, str):
                raise DataError(chunk)
            waiting.append(chunk)
            there += len(chunk[0])
        places, pixels = (torch.cat(parts) for parts in zip(*waiting, strict=True))
        yield places[:size], pixels[:size]
        waiting, there = [(places[size:], pixels[size:])], there - size


class _Arriving(IterableDataset["tuple[Tensor, Tensor] | str"]):
    """Images as they arrive, a chunk at a time: int64, n, their places; uint8, n x h x w x c.

    `order` are the shards to read, and `shown` says which images are wanted. A DataError crosses from
    another process as its text.
    """

    def __init__(
        self, images: OnDemand, order: list[int], shown: NDArray[np.bool_], seed: int, workers: int
    ) -> None:
        self._images = cast("ShardImages", images.images)
        self._preprocessing = images.preprocessing
        self._order, self._shown, self._seed = order, shown, seed
        self._buffer = BUFFER // max(1, workers)
        self._now = ""
        self._missing: dict[tuple[str, str] | None, int] = {}

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor] | str]:
        try:
            yield from self._chunks()
        except DataError as error:
            yield str(error)

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """What one process reads of the epoch."""
        shards = self._images.shards
        wds = library(shards[0].where)
        files = wds.DataPipeline(
            wds.SimpleShardList([shards[number].where for number in self._order]),
            wds.split_by_worker,
            self._watched,
            wds.tarfile_to_samples(),
            self._known,
            wds.shuffle(self._buffer, initial=self._buffer, seed=self._seed),
        )
        coming = iter(files)
        while chunk := list(islice(coming, _CHUNK)):
            pixels = [
                self._preprocessing.read(Encoded(self._images.name(place), data)) for place, data in chunk
            ]
            yield torch.tensor([place for place, _ in chunk]), torch.from_numpy(np.stack(pixels))

    def _watched(self, entries: Iterator[dict[str, str]]) -> Iterator[dict[str, str]]:
        """Passes addresses on, and asks after each shard whether all of its images have come."""
        numbers = {shard.where: number for number, shard in enumerate(self._images.shards)}
        for entry in entries:
            self._now = entry["url"]
            number = numbers[self._now]
            names = self._images.shards[number].names
            places = np.flatnonzero(self._images.which == number).tolist()
            self._missing = {parted(names[self._images.members[place]]): place for place in places}
            yield entry
            if self._missing:
                raise self._broken(f"{len(self._missing)} of its images did not come")

    def _known(self, samples: Iterator[dict[str, Any]]) -> Iterator[tuple[int, bytes]]:
        """The images in samples, by their places; those that are not wanted are left out."""
        try:
            for sample in samples:
                for ending, data in sample.items():
                    place = self._missing.pop((sample["__key__"], ending), None)
                    if place is not None and self._shown[place]:
                        yield place, data
        except DataError:
            raise
        except Exception as error:  # OSError, TarError and ValueError, with more in them than a text
            raise self._broken(trouble(error)) from error

    def _broken(self, what: str) -> DataError:
        return DataError(
            f"{self._now}: cannot be streamed to its end ({what}); see that it is whole and can be reached; "
            f"if it was made anew, delete {kept_in(self._now)}"
        )
