"""Images decoded into memory at the network's size, and the batches cut from them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from hubel.cores import allowed_cores
from hubel.data import marks
from hubel.data.augment.colour import Colours
from hubel.data.feed.bad import Bad, OnBad, UnusableError
from hubel.data.feed.batches import AHEAD, Batches, renumbered
from hubel.data.formats.shards import read_ahead
from hubel.data.pinned import moved
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Unpack

    from torch import Tensor

    from hubel.data.arrays import Bytes, Flags, Labels
    from hubel.data.dataset import Images
    from hubel.data.feed.batches import Cut
    from hubel.data.image.preprocess import Preprocessing

_BLOCK = 32


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images in memory: the `Feed` of a set that fits.

    `pixels`: uint8, n x h x w x c; `labels`: int64, n; `names`: one per image; `skipped`: images that could
    not be used and were left out.
    """

    pixels: Bytes
    labels: Labels
    names: tuple[str, ...]
    skipped: tuple[Bad, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, place: int) -> Bytes:
        """One image: uint8, h x w x c."""
        image: Bytes = self.pixels[place]
        return image

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and depth of every image."""
        _, height, width, depth = self.pixels.shape
        return height, width, depth

    @cached_property
    def colours(self) -> Colours:
        """The colours of all images."""
        return Colours.of(torch.from_numpy(self.pixels))

    def sample(self) -> Bytes:
        """All images, since they are in memory: uint8, n x h x w x c."""
        return self.pixels

    def marks(self) -> list[bytes]:
        """The mark of each image."""
        return marks.marks(self.pixels)

    def only(self, wanted: Flags) -> Decoded:
        """Returns the images where `wanted` is true: bool, n."""
        names = tuple(name for name, kept in zip(self.names, wanted, strict=True) if kept)
        return replace(self, pixels=self.pixels[wanted], labels=self.labels[wanted], names=names)

    def relabelled(self, classes: tuple[str, ...], wanted: tuple[str, ...]) -> Decoded:
        """Returns the same images, their labels renumbered from `classes` to `wanted`.

        Raises DataError: an image of a class that `wanted` lacks.
        """
        return replace(self, labels=renumbered(self, classes, wanted))

    def batches(self, preprocessing: Preprocessing, batch: int, **cut: Unpack[Cut]) -> DecodedBatches:
        """Cuts the images into batches. Raises DataError: as `Batches`."""
        return DecodedBatches(self, preprocessing, batch, **cut)


@dataclass(frozen=True, eq=False)
class DecodedBatches(Batches):
    """Batches of images in memory, all of which are kept on `device`."""

    images: Decoded

    def _picked(
        self, number: int, generator: torch.Generator, among: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for places in self._order(generator, among):
            own = moved(self.world.part(places), self.device)
            yield places, self._sample.index_select(0, own)

    @property
    def _ahead(self) -> int:
        """0 on a CPU: a step uses all cores, and loses several times what a batch beside it takes."""
        return 0 if torch.device(self.device).type == "cpu" else AHEAD

    @cached_property
    def _sample(self) -> Tensor:
        """All images, on the device."""
        return torch.from_numpy(self.images.pixels).to(self.device)


def decode(
    images: Images,
    preprocessing: Preprocessing,
    progress: Callable[[int], None] | None = None,
    on_bad: OnBad = "stop",
) -> Decoded:
    """Decodes every image at the network's size, on all cores, in the order of `images`.

    `progress` is called from the caller's thread with the number of images done so far. With `on_bad="skip"`,
    images that cannot be used are left out and listed as `skipped`.

    Raises UnusableError: images that cannot be used, if `on_bad` is `stop` or no image is left.
    """
    shape = (len(images), preprocessing.height, preprocessing.width, preprocessing.depth)
    pixels = np.empty(shape, np.uint8)
    bad = read_all(images, preprocessing, pixels.__setitem__, progress)
    if bad and (on_bad == "stop" or len(bad) == len(images)):
        raise UnusableError(list(bad.values()), len(images))
    return without_bad(images, np.delete(pixels, list(bad), axis=0) if bad else pixels, bad)


def read_all(
    images: Images,
    preprocessing: Preprocessing,
    take: Callable[[int, Bytes], object] | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[int, Bad]:
    """Decodes every image at the network's size, on all cores; returns the bad ones by place.

    `take` is called from any thread with the place and pixels of each good image; `progress` as by `decode`.
    """
    count = len(images)

    def work(start: int) -> tuple[int, dict[int, Bad]]:
        end = min(start + _BLOCK, count)
        bad = {}
        block = read_ahead(images, range(start, end))
        for index in range(start, end):
            try:
                pixels = block.fitted(index, preprocessing)
            except DataError as error:
                name = images.name(index)
                bad[index] = Bad(name, str(error).removeprefix(f"{name}: "))
                continue
            if take is not None:
                take(index, pixels)
        return end, bad

    bad: dict[int, Bad] = {}
    with ThreadPoolExecutor(allowed_cores()) as pool:
        for done, found in pool.map(work, range(0, count, _BLOCK)):
            bad |= found
            if progress is not None:
                progress(done)
    return bad


def without_bad(images: Images, pixels: Bytes, bad: dict[int, Bad]) -> Decoded:
    """Returns the images except those at the places in `bad`; `pixels` already lacks them."""
    good = [index for index in range(len(images)) if index not in bad]
    names = tuple(images.name(index) for index in good)
    return Decoded(pixels, images.labels[good], names, tuple(bad.values()))
