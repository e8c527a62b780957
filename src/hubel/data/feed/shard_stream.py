"""Streaming of remote shards that are too large for memory, shard by shard, anew every epoch.

In each of several processes the library `webdataset` opens the shards one after another and shuffles
their images through a buffer. The result is compared with the index, so that every image comes exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from hubel.data.feed import stream
from hubel.data.feed.batches import AHEAD, epoch_seed
from hubel.data.feed.stream import Streamed, StreamedBatches
from hubel.data.formats.shard_index import kept_in, library, parted, trouble
from hubel.data.formats.shards import ShardImages
from hubel.data.image.reading import Encoded
from hubel.data.pinned import moved
from hubel.errors import DataError

if TYPE_CHECKING:
    from typing import Unpack

    from hubel.data.arrays import Flags, Indices
    from hubel.data.feed.batches import Cut
    from hubel.data.image.preprocess import Preprocessing

BUFFER = 2000
"""How many encoded images all processes together buffer to draw the next one from."""

_CHUNK = 32
"""How many images a process hands over at once."""


@dataclass(frozen=True, eq=False)
class StreamedShards(Streamed):
    """A stream of remote shards."""

    images: ShardImages

    def batches(self, preprocessing: Preprocessing, batch: int, **cut: Unpack[Cut]) -> ShardBatches:
        """Cuts the images into batches. Raises DataError: as `ShardBatches`."""
        return ShardBatches(self, preprocessing, batch, **cut)

    def _sampled(self) -> Indices:
        """The places of a sample of whole shards, drawn at random, ascending."""
        turn = np.random.default_rng(0).permutation(len(self.images.shards))[self.images.which]
        return np.sort(np.argsort(turn, kind="stable")[: stream.SAMPLE])


@dataclass(frozen=True, eq=False)
class ShardBatches(StreamedBatches):
    """Batches of remote shards: as `StreamedBatches`, but shuffled shard by shard.

    In every epoch the shards come in another order and are distributed over the processes, whose images
    are drawn from a buffer; every image, or each of those asked for, comes once. The same seed, epoch and
    number of processes give the same batches.

    Raises DataError: as `StreamedBatches`; balanced batches, or repeated images; shuffled batches shared by
    the processes of a `world`, since no place in a stream is the same in each; the library is missing.
    Iterating an epoch raises DataError: a shard that cannot be read to its end or has changed since it was
    indexed.
    """

    images: StreamedShards

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.balanced:
            raise DataError(
                "remote shards are read in their own order, so no class can be drawn more often; balance "
                "the loss instead, or download the shards"
            )
        if self.repeat > 1:
            raise DataError(
                "remote shards that do not fit in memory are read in their own order, so no image comes "
                "several times in an epoch: --set repeat=1, or download the shards"
            )
        if self.shuffle:
            library(self._shards.name(0))
        if self.shuffle and self.world.size > 1:
            raise DataError(
                f"remote shards that do not fit in memory are read in an order of their own, which "
                f"{self.world.size} processes cannot share; download them, or train in one process"
            )

    @property
    def _shards(self) -> ShardImages:
        return self.images.images

    @cached_property
    def _used(self) -> list[int]:
        """The shards with images."""
        return [int(number) for number in np.unique(self._shards.which)]

    def _shown(self, among: Tensor | None) -> Flags:
        """Which images an epoch has."""
        shown = np.full(len(self._shards.which), among is None)
        if among is not None:
            shown[among.numpy()] = True
        return shown

    def _picked(
        self, number: int, generator: torch.Generator, among: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if not self.shuffle:
            yield from super()._picked(number, generator, among)
            return
        order = [self._used[at] for at in torch.randperm(len(self._used), generator=generator).tolist()]
        workers = min(self.workers, len(order))
        seed = epoch_seed(self.seed, number)
        loader: DataLoader[tuple[Tensor, Tensor] | str] = DataLoader(
            _Arriving(self.images, order, self._shown(among), seed, workers),
            batch_size=None,
            num_workers=workers,
            prefetch_factor=AHEAD if workers else None,
            generator=torch.Generator(),  # otherwise the loader draws from the global one
        )
        for places, pixels in _cut(loader, np.diff(self._bounds(among)).tolist()):
            yield places, moved(pixels, self.device)


def _cut(
    chunks: Iterable[tuple[Tensor, Tensor] | str], sizes: Iterable[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Cuts chunks of places and images into batches of these sizes.

    Raises DataError: a chunk is a text, the message of an error.
    """
    coming, waiting, count = iter(chunks), list[tuple[Tensor, Tensor]](), 0
    for size in sizes:
        while count < size:
            chunk = next(coming)
            if isinstance(chunk, str):
                raise DataError(chunk)
            waiting.append(chunk)
            count += len(chunk[0])
        places, pixels = (torch.cat(parts) for parts in zip(*waiting, strict=True))
        yield places[:size], pixels[:size]
        waiting, count = [(places[size:], pixels[size:])], count - size


class _Arriving(IterableDataset["tuple[Tensor, Tensor] | str"]):
    """Images as they arrive, a chunk at a time: places, int64, n; pixels, uint8, n x h x w x c.

    `order` are the shards to read; `shown` is true for each wanted image. A DataError crosses from another
    process as its text.
    """

    def __init__(
        self, images: StreamedShards, order: list[int], shown: Flags, seed: int, workers: int
    ) -> None:
        self._images = images.images
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
        """Yields the part of the epoch that one process reads."""
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
        """Passes addresses on, and checks after each shard that all of its images have come."""
        numbers = {shard.where: number for number, shard in enumerate(self._images.shards)}
        for entry in entries:
            self._now = entry["url"]
            number = numbers[self._now]
            names = self._images.shards[number].names
            places = np.flatnonzero(self._images.which == number).tolist()
            self._missing = {parted(names[self._images.members[place]]): place for place in places}
            yield entry
            if self._missing:
                raise self._broken(f"{len(self._missing)} of its images are missing")

    def _known(self, samples: Iterator[dict[str, Any]]) -> Iterator[tuple[int, bytes]]:
        """Yields the place and file of each wanted image in the samples."""
        try:
            for sample in samples:
                for ending, data in sample.items():
                    place = self._missing.pop((sample["__key__"], ending), None)
                    if place is not None and self._shown[place]:
                        yield place, data
        except DataError:
            raise
        except Exception as error:  # OSError, TarError and ValueError, with arguments besides a text
            raise self._broken(trouble(error)) from error

    def _broken(self, what: str) -> DataError:
        return DataError(
            f"{self._now}: cannot be streamed to its end ({what}); check that it is complete and reachable; "
            f"if it was replaced, delete {kept_in(self._now)}"
        )
