"""Streaming: sets too large for memory are read anew every epoch, by processes that run ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hubel.cores import allowed_cores
from hubel.data.augment.colour import Colours
from hubel.data.dataset import FileImages
from hubel.data.feed.batches import AHEAD, Batch, Batches
from hubel.data.feed.cache import Warn, decode_once
from hubel.data.feed.decoded import Bad, Decoded, OnBad, UnusableError, read_all
from hubel.data.feed.pinned import moved
from hubel.data.formats.shards import ShardImages, near
from hubel.errors import DataError

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes, Indices
    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing

SAMPLE = 10_000
"""How many images of a stream stand for all where they are measured."""

SHARE = 0.25
"""The share of the free memory that decoded images may fill."""

_UNKNOWN = 4 << 30
"""What is taken to be free where the system does not say."""

_MEMORY = Path("/proc/meminfo")
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
_STATISTICS = Path("/sys/fs/cgroup/memory.stat")


class OnDemand:
    """Images at the network's size, n x h x w x c like an array of them, each read when asked for."""

    def __init__(self, images: Images, preprocessing: Preprocessing) -> None:
        self.images = images
        self.preprocessing = preprocessing

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """As that of an array."""
        of = self.preprocessing
        return len(self.images), of.height, of.width, of.depth

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> Bytes:
        """One image: uint8, h x w x c. Raises DataError: one that cannot be used, by name."""
        return self.images.fitted(place, self.preprocessing)

    def stack(self, places: Sequence[int]) -> Bytes:
        """Several images: uint8, n x h x w x c. Raises DataError: one that cannot be used, by name."""
        at_hand = near(self.images, places)
        return np.stack([at_hand.fitted(place, self.preprocessing) for place in places])


@dataclass(frozen=True, eq=False)
class Streamed(Decoded):
    """Images that stay where they are: its `images` are an `OnDemand`, which reads one at a time."""

    @cached_property
    def colours(self) -> Colours:
        """The colours of a sample, read once. Raises DataError: one of them cannot be used."""
        return Colours.of(torch.from_numpy(to_measure(self)))

    @classmethod
    def of(cls, images: Images, preprocessing: Preprocessing, skipped: tuple[Bad, ...] = ()) -> Streamed:
        """Makes one of images, none of which is read yet."""
        names = tuple(images.name(index) for index in range(len(images)))
        return cls(cast("Bytes", OnDemand(images, preprocessing)), images.labels, names, skipped)


def decoded_or_streamed(
    images: Images,
    preprocessing: Preprocessing,
    progress: Callable[[int], None] | None = None,
    on_bad: OnBad = "stop",
    warn: Warn | None = None,
    *,
    memory_limit: int | None = None,
) -> Decoded:
    """Returns what `decode_once` returns if it takes at most `memory_limit` bytes, else a `Streamed`.

    The limit is a quarter of the free memory unless given. To skip what is bad in a stream, all of it is
    read once; to stop, what is not known to be bad before it is read is found when its turn comes.

    Raises DataError: as `decode`.
    """
    size = len(images) * preprocessing.height * preprocessing.width * preprocessing.depth
    if size <= (int(SHARE * free_memory()) if memory_limit is None else memory_limit):
        return decode_once(images, preprocessing, progress, on_bad, warn)
    if on_bad == "stop":
        _refuse_unusable(images)
        return Streamed.of(images, preprocessing)
    bad = read_all(images, preprocessing, progress=progress)
    if len(bad) == len(images):
        raise UnusableError(list(bad.values()), len(images))
    good = np.array([place for place in range(len(images)) if place not in bad], np.intp)
    return Streamed.of(images.select(good), preprocessing, tuple(bad.values()))


def _refuse_unusable(images: Images) -> None:
    """Raises DataError: images that are known to be unusable without reading them."""
    if isinstance(images, FileImages) and images.unusable:
        known = images.unusable
        bad = [Bad(str(path), known[path]) for path in images.paths if path in known]
        if bad:
            raise UnusableError(bad, len(images))


def to_measure(decoded: Decoded) -> Bytes:
    """The pixels by which to measure a set: all of them, or 10,000 of a stream, always the same ones.

    Raises DataError: one of them cannot be used.
    """
    if not isinstance(decoded, Streamed):
        return decoded.pixels
    source = cast("OnDemand", decoded.pixels)
    places = _sampled(source.images)
    pixels = np.empty((len(places), *source.shape[1:]), np.uint8)
    bad = read_all(source.images.select(places), source.preprocessing, pixels.__setitem__)
    if bad:
        raise UnusableError(list(bad.values()), len(places))
    return pixels


def _sampled(images: Images) -> Indices:
    """The places of at most 10,000 images, drawn at random; of those on the net, shards of them."""
    generator = np.random.default_rng(0)
    count = len(images)
    if isinstance(images, ShardImages) and images.remote:
        turn = generator.permutation(len(images.shards))[images.which]
        return np.sort(np.argsort(turn, kind="stable")[:SAMPLE])
    return np.sort(generator.choice(count, min(count, SAMPLE), replace=False))


def batches_of(decoded: Decoded) -> type[Batches]:
    """What cuts these images into batches: `Batches`, or `StreamedBatches` if they are a stream.

    If they are one of shards on the net, `ShardBatches`.
    """
    from hubel.data.feed.shard_stream import ShardBatches  # which are such themselves

    if not isinstance(decoded, Streamed):
        return Batches
    images = cast("OnDemand", decoded.pixels).images
    return ShardBatches if isinstance(images, ShardImages) and images.remote else StreamedBatches


@dataclass(frozen=True, eq=False)
class StreamedBatches(Batches):
    """Cuts a stream into the batches that `Batches` would make of the same images, value for value.

    `workers` processes read them, two batches ahead each; with 0 they are read in this one. What the
    augmentation must know of all colours it learns from a sample (`Streamed.colours`).

    Raises DataError: as `Batches`. As an epoch goes on: an image that cannot be used, by name.
    """

    workers: int = field(default_factory=allowed_cores)

    def first(self) -> Batch:
        return Batches.first(replace(self, workers=0))  # no process is worth starting for one

    def _picked(
        self, number: int, generator: torch.Generator, among: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        places = self._order(generator, among)
        loader: DataLoader[Tensor | str] = DataLoader(
            _Reader(cast("OnDemand", self.decoded.pixels)),
            sampler=cast("list[int]", places),  # of batches, each of which is read by one process
            batch_size=None,
            num_workers=self.workers,
            prefetch_factor=AHEAD if self.workers else None,
            generator=torch.Generator(),  # or it would draw from everybody's
        )
        for indices, read in zip(places, loader, strict=True):
            if isinstance(read, str):
                raise DataError(read)
            yield indices, moved(read, self.device)


class _Reader(Dataset["Tensor | str"]):
    """Reads a batch at a time; a DataError crosses from another process as its text."""

    def __init__(self, images: OnDemand) -> None:
        self.pixels = images

    def __getitem__(self, places: Tensor) -> Tensor | str:
        try:
            return torch.from_numpy(self.pixels.stack(places.tolist()))
        except DataError as error:
            return str(error)


def free_memory() -> int:
    """How many bytes this process may still take: of the machine's, and of its container's."""
    try:
        lines = dict(line.split(":") for line in _MEMORY.read_text().splitlines())
        free = 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):  # no Linux
        free = _UNKNOWN
    try:
        told = dict(line.split() for line in _STATISTICS.read_text().splitlines())
        cached = int(told["inactive_file"])  # files read or written before, which make room
        return min(free, int(_LIMIT.read_text()) - int(_USED.read_text()) + cached)
    except (OSError, KeyError, ValueError):  # no such container, or no limit: "max"
        return free
