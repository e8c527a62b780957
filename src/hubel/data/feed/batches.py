"""Batches: images at the network's size, cut into epochs that are the same for the same seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypedDict

import numpy as np
import torch
from torch import Generator, Tensor

from hubel.data.augment.draws import Draws
from hubel.data.augment.geometry import resize
from hubel.data.pinned import moved
from hubel.errors import DataError, first_few
from hubel.world import ALONE, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self, Unpack

    from hubel.data.arrays import Bytes, Flags, Labels
    from hubel.data.augment.colour import Colours
    from hubel.data.augment.own import OwnAugmentation
    from hubel.data.augment.policy import Augmentation
    from hubel.data.feed.bad import Bad
    from hubel.data.image.preprocess import Preprocessing

Batch: TypeAlias = tuple[Tensor, Tensor]
"""A batch's images and its targets."""

Made: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""The places in their set of a batch's images, and the images and targets of this process's part of it."""

Sides: TypeAlias = "Callable[[int], int]"
"""From a batch's number in its epoch, the shorter side of its images in pixels."""

AHEAD = 2
"""How many batches are made ahead for a GPU or from a stream, and by each process of a stream."""


class Cut(TypedDict, total=False):
    """How images are cut into batches: the optional fields of `Batches`."""

    shuffle: bool
    augmentation: Augmentation | OwnAugmentation | None
    seed: int
    device: torch.device | str
    dtype: torch.dtype
    balanced: bool
    repeat: int
    classes: int
    world: World


class Feed(Protocol):
    """Labelled images at the network's size, in memory or streamed from where they are stored."""

    @property
    def labels(self) -> Labels:
        """The class of each image: int64, n."""

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each image."""

    @property
    def skipped(self) -> tuple[Bad, ...]:
        """Images that could not be used and were left out."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and depth of every image."""

    @property
    def colours(self) -> Colours:
        """The colours of the images, or of a stream's sample. Raises DataError: as `sample`."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int) -> Bytes:
        """One image: uint8, h x w x c. Raises DataError: it cannot be used."""

    def sample(self) -> Bytes:
        """Images to measure the set by: uint8, n x h x w x c; all, or a fixed sample of a stream.

        Raises DataError: an image of the sample cannot be used.
        """

    def marks(self) -> list[bytes] | None:
        """The mark of each image; None of a stream, which is not read just for its marks."""

    def only(self, wanted: Flags) -> Self:
        """Returns the images where `wanted` is true: bool, n."""

    def relabelled(self, classes: tuple[str, ...], wanted: tuple[str, ...]) -> Self:
        """Returns the same images, their labels renumbered from `classes` to `wanted`.

        Raises DataError: an image of a class that `wanted` lacks.
        """

    def batches(self, preprocessing: Preprocessing, batch: int, **cut: Unpack[Cut]) -> Batches:
        """Cuts the images into batches. Raises DataError: as `Batches`."""


def renumbered(images: Feed, classes: tuple[str, ...], wanted: tuple[str, ...]) -> Labels:
    """Returns the labels of images, renumbered from `classes` to the same names in `wanted`.

    Raises DataError: an image of a class that `wanted` lacks.
    """
    places = np.array([wanted.index(name) if name in wanted else -1 for name in classes], np.int64)
    labels: Labels = places[images.labels]
    unknown = np.flatnonzero(labels < 0)
    if len(unknown):
        name = classes[images.labels[unknown[0]]]
        raise DataError(
            f"{images.names[unknown[0]]}: class {name!r} is not of the model, whose classes are "
            f"{first_few(wanted)}"
        )
    return labels


def epoch_seed(seed: int, number: int) -> int:
    """Returns the random seed of one epoch, distinct from those of other epochs and runs."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])


class Epoch(Iterator[Batch]):
    """The batches of one epoch; a thread prepares the next `ahead` of them while one is used.

    With 0 each is made when it is asked for, in the calling thread. `places` are the places in the set of the
    last batch's images, those of other processes included: int64, on the CPU. An error while a batch is made
    is raised when that batch is asked for. The thread ends with the last batch, on `close`, or when the epoch
    is no longer referenced.
    """

    places: Tensor

    def __init__(self, made: Iterator[Made], ahead: int = 0) -> None:
        self._made = made
        self._thread = ThreadPoolExecutor(1, "batches") if ahead else None
        self._coming: deque[Future[Made | None]] = deque()
        for _ in range(ahead):
            self._ask()

    def __next__(self) -> Batch:
        try:
            batch = self._next()
        except BaseException:
            self.close()
            raise
        if batch is None:
            self.close()
            raise StopIteration
        self.places, images, targets = batch
        return images, targets

    def close(self) -> None:
        """Ends the epoch, what makes its batches, and its thread, which first finishes its current batch."""
        self._coming.clear()
        if self._thread:
            self._thread.shutdown(wait=True, cancel_futures=True)
        self._made = iter(())  # so that what makes them is gone, and there is no more to ask for

    def _next(self) -> Made | None:
        """The next batch, None after the last."""
        if not self._thread:
            return next(self._made, None)
        if not self._coming:
            return None
        batch = self._coming.popleft().result()
        if batch is not None:
            self._ask()
        return batch

    def _ask(self) -> None:
        assert self._thread is not None, "asked for ahead"
        self._coming.append(self._thread.submit(next, self._made, None))


@dataclass(frozen=True, eq=False)
class Batches(ABC):
    """Images cut into batches of size `batch`; the last one is smaller if the size does not divide.

    A single image left over would break batch normalisation, so it joins the batch before, which then
    has `batch` + 1. With `shuffle` every epoch has its own random order, otherwise all keep the images'
    order. With `balanced` as well, an epoch has as many images, but each class equally often: a random part
    of a frequent class, and the images of a rare class several times. With `repeat` each image comes so often
    in an epoch, in the same batch where it fits, and as many fewer images. `dtype` is that of the batches'
    images; `classes` is the number of classes, needed for the targets of mixed images.

    The processes of `world` share each batch: an epoch gives this one its part. An image is the same in
    whatever part it is, except that it is mixed with images of its part, and that an augmentation of the
    user's own draws for each part.

    Raises DataError: no images, a batch size below 1, a negative seed, images of another size than
    `preprocessing` makes, `balanced` without `shuffle`, mixing with a label of `classes` or more.
    """

    images: Feed
    preprocessing: Preprocessing
    batch: int
    shuffle: bool = False
    augmentation: Augmentation | OwnAugmentation | None = None
    seed: int = 0
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32
    balanced: bool = False
    repeat: int = 1
    classes: int = 0
    world: World = ALONE

    def __post_init__(self) -> None:
        wanted = (self.preprocessing.height, self.preprocessing.width, self.preprocessing.depth)
        if self.batch < 1:
            raise DataError(f"the batch size is at least 1, not {self.batch}")
        if self.seed < 0:
            raise DataError(f"the random seed is a whole number of at least 0, not {self.seed}")
        if len(self.images) == 0:
            raise DataError("there are no images to cut into batches")
        if self.images.shape != wanted:
            found, made = ("x".join(map(str, shape)) for shape in (self.images.shape, wanted))
            raise DataError(
                f"the images are {found}, but the preprocessing makes {made}; decode them with it"
            )
        if self.balanced and not self.shuffle:
            raise DataError("balanced batches are drawn at random; set shuffle, or leave out balanced")
        if self._mixes and self.classes <= self.labels.max():
            raise DataError(
                f"mixed images need a target for every class; there are at least {self.labels.max() + 1}, "
                f"but classes={self.classes}; give their number"
            )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self.batches()

    def batches(self, among: Tensor | None = None) -> int:
        """The number of batches in an epoch over all images, or over those at `among`."""
        return len(self._bounds(among)) - 1

    @property
    def labels(self) -> Labels:
        """The class of each image: int64, n."""
        return self.images.labels

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each image."""
        return self.images.names

    @property
    def skipped(self) -> tuple[Bad, ...]:
        """Images that could not be used and were left out."""
        return self.images.skipped

    def epoch(self, number: int, sides: Sides | None = None, among: Tensor | None = None) -> Epoch:
        """Returns an iterator over images and labels on `device`.

        Images: `dtype`, n x c x h x w, `channels_last` in memory, resized to `sides` if given: a network
        without a fixed input size learns faster from small images first.
        Labels: int64, n; for mixed images their targets: float32, n x `classes`.
        `among` limits the epoch to the images at these places: int64, ascending, on the CPU.

        Apart from `sides` and `among`, the order and the augmentation depend on `seed` and `number` alone, so
        any epoch can be repeated without those before it.

        Iterating raises DataError: as `Augmentation.apply`.
        """
        return Epoch(self._made(number, sides, among), self._ahead)

    def first(self) -> Batch:
        """Returns the first batch of the first epoch, whole, made in the calling thread."""
        whole = self if self.world == ALONE else replace(self, world=ALONE)
        _, images, targets = next(whole._made(0, None, None))  # noqa: SLF001 - its own class
        return images, targets

    def _made(self, number: int, sides: Sides | None, among: Tensor | None) -> Iterator[Made]:
        """Yields the batches one by one, in the calling thread."""
        generator = Generator().manual_seed(epoch_seed(self.seed, number))
        for batch, (places, pixels) in enumerate(self._picked(number, generator, among)):
            own = self.world.part(torch.arange(len(places)))
            indices, picked = places[own], pixels
            target = self._targets.index_select(0, moved(indices, self.device))
            if self.augmentation is not None:
                draws = Draws(generator, len(places), int(own[0]), len(own))
                picked = self.augmentation.apply(
                    picked, draws, indices=indices, epoch=number, colours=self._colours
                )
            if sides is not None:
                picked = resize(picked, sides(batch))
            seen = self.preprocessing.at(list(picked.shape[1:])).normalise(picked)
            if self.augmentation is not None and self._mixes:
                seen, target = self.augmentation.mix(seen, target, self.classes, generator)
            yield places, seen.to(self.dtype), target

    @abstractmethod
    def _picked(
        self, number: int, generator: Generator, among: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields each batch of an epoch: its places, and this process's part of its images on the device."""

    @property
    def _ahead(self) -> int:
        """How many batches a thread makes ahead."""
        return AHEAD

    @cached_property
    def _targets(self) -> Tensor:
        """The labels of all images, on the device."""
        return torch.from_numpy(self.labels).to(self.device)

    @property
    def _colours(self) -> Colours | None:
        """The colours of the images, if the augmentation needs them."""
        needed = self.augmentation is not None and self.augmentation.needs_colours
        return self.images.colours if needed else None

    def _count(self, among: Tensor | None) -> int:
        """The number of images in an epoch."""
        return len(self.images) if among is None else len(among)

    @property
    def _mixes(self) -> bool:
        return self.augmentation is not None and self.augmentation.mixes

    def _order(self, generator: Generator, among: Tensor | None) -> list[Tensor]:
        """The places of an epoch's images, batch by batch: int64."""
        places = torch.arange(len(self.images)) if among is None else among
        if self.balanced:
            places = places[self._drawn(torch.from_numpy(self.labels)[places], generator)]
        elif self.shuffle:
            places = places[torch.randperm(len(places), generator=generator)]
        if self.repeat > 1:  # Hoffer et al. 2019, as torchvision's RASampler
            places = places.repeat_interleave(self.repeat)[: len(places)]
        return [places[start:end] for start, end in pairwise(self._bounds(among))]

    @staticmethod
    def _drawn(labels: Tensor, generator: Generator) -> Tensor:
        """Draws each class equally often, and each image within it, as nearly as the numbers allow."""
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
        """The start of each batch, and the end of the last one."""
        count = self._count(among)
        starts = list(range(0, count, self.batch))
        if self.batch > 1 and len(starts) > 1 and count - starts[-1] == 1:
            starts.pop()
        return [*starts, count]
