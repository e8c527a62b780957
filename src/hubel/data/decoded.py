"""Decoded: pictures in memory at the network's size, ready to be cut into batches."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubel.data.pictures import Bytes, Labels, Pictures
    from hubel.data.preprocess import Preprocessing

_BLOCK = 32


@dataclass(frozen=True, eq=False)
class Decoded:
    """Pictures in memory; `images`: uint8, n x h x w x c; `labels`: int64, n; a name for each."""

    images: Bytes
    labels: Labels
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def relabelled(self, classes: tuple[str, ...], wanted: tuple[str, ...]) -> Decoded:
        """The same pictures with labels of `classes` changed to the numbers these have in `wanted`.

        Raises DataError: a picture of a class that `wanted` lacks.
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
    pictures: Pictures, preprocessing: Preprocessing, progress: Callable[[int], None] | None = None
) -> Decoded:
    """Brings every picture to the network's size, on all cores, in the order of `pictures`.

    `progress` is called, from the caller's thread, with the number of pictures done so far.

    Raises DataError: the first picture that cannot be used, by name.
    """
    count = len(pictures)
    images = np.empty((count, preprocessing.height, preprocessing.width, preprocessing.depth), np.uint8)

    def work(start: int) -> int:
        end = min(start + _BLOCK, count)
        for index in range(start, end):
            images[index] = _pixels(pictures, index, preprocessing)
        return end

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(work, range(0, count, _BLOCK)):
            if progress is not None:
                progress(done)
    return Decoded(images, pictures.labels, tuple(pictures.name(index) for index in range(count)))


def _pixels(pictures: Pictures, index: int, preprocessing: Preprocessing) -> Bytes:
    image = pictures.image(index)
    try:
        return preprocessing.pixels(image)
    except DataError as error:
        raise DataError(f"{pictures.name(index)}: {error}") from error
