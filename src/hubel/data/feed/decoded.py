"""Decoded: images in memory at the network's size, ready to be cut into batches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from hubel.cores import allowed_cores
from hubel.data.formats.shards import near
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubel.data.arrays import Bytes, Flags, Labels
    from hubel.data.augment.colour import Colours
    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing

OnBad: TypeAlias = Literal["stop", "skip"]
"""What to do about images that cannot be used: refuse them all by name, or leave them out."""

_BLOCK = 32
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Bad:
    """An image that cannot be used: its name and why."""

    name: str
    reason: str


class UnusableError(DataError):
    """Images that cannot be used, among so many; says which, by name."""

    def __init__(self, bad: list[Bad], count: int) -> None:
        hint = " (hubel train and hubel val leave them out with --on-bad skip)"
        super().__init__(_refusal(bad, count, hint if len(bad) < count else ""))
        self.bad = bad
        self.count = count


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images in memory; `pixels`: uint8, n x h x w x c; `labels`: int64, n; a name for each.

    `skipped` are those that were left out.
    """

    pixels: Bytes
    labels: Labels
    names: tuple[str, ...]
    skipped: tuple[Bad, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    @cached_property
    def colours(self) -> Colours:
        """The colours of all images."""
        import torch  # loaded where it is needed: it takes its time

        from hubel.data.augment.colour import Colours

        return Colours.of(torch.from_numpy(self.pixels))

    def only(self, wanted: Flags) -> Decoded:
        """Those of the images that are `wanted`: bool, n."""
        names = tuple(name for name, kept in zip(self.names, wanted, strict=True) if kept)
        return replace(self, pixels=self.pixels[wanted], labels=self.labels[wanted], names=names)

    def relabelled(self, classes: tuple[str, ...], wanted: tuple[str, ...]) -> Decoded:
        """The same images with labels of `classes` changed to the numbers these have in `wanted`.

        Raises DataError: an image of a class that `wanted` lacks.
        """
        places = np.array([wanted.index(name) if name in wanted else -1 for name in classes], np.int64)
        labels = places[self.labels]
        unknown = np.flatnonzero(labels < 0)
        if len(unknown):
            name = classes[self.labels[unknown[0]]]
            raise DataError(
                f"{self.names[unknown[0]]}: class {name!r} is not of the model, whose classes are "
                f"{', '.join(wanted)}"
            )
        return replace(self, labels=labels)


def decode(
    images: Images,
    preprocessing: Preprocessing,
    progress: Callable[[int], None] | None = None,
    on_bad: OnBad = "stop",
) -> Decoded:
    """Brings every image to the network's size, on all cores, in the order of `images`.

    `progress` is called, from the caller's thread, with the number of images done so far. With `on_bad`
    of `skip`, images that cannot be used are left out and listed in the result.

    Raises UnusableError: images that cannot be used, unless they are to be skipped and others remain.
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
    """Brings every image to the network's size, on all cores, and returns the bad ones by their places.

    `take` is called with an image's place and its pixels, from any thread; `progress` as by `decode`.
    """
    count = len(images)

    def work(start: int) -> tuple[int, dict[int, Bad]]:
        end = min(start + _BLOCK, count)
        bad = {}
        block = near(images, range(start, end))
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
    """Puts labels and names to the pixels of all images but those at the places in `bad`."""
    good = [index for index in range(len(images)) if index not in bad]
    names = tuple(images.name(index) for index in good)
    return Decoded(pixels, images.labels[good], names, tuple(bad.values()))


def _refusal(bad: list[Bad], count: int, or_else: str) -> str:
    """What to say of images that cannot be used; the first 20 are named."""
    lines = [f"{each.name}: {each.reason}" for each in bad[:_MOST_NAMED]]
    if len(bad) == 1:
        return lines[0]
    if len(bad) > _MOST_NAMED:
        lines.append(f"and {len(bad) - _MOST_NAMED:,} more")
    head = f"{len(bad):,} of {count:,} images cannot be used; mend or remove them{or_else}:"
    return "\n  ".join([head, *lines])
