"""Predictions: the most probable classes of images. Among several, an unreadable one stops no other."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from hubel.cores import allowed_cores
from hubel.data.image.objects import as_seen, is_path
from hubel.data.image.preprocess import Whole
from hubel.data.image.reading import Encoded
from hubel.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.arrays import Bytes
    from hubel.data.image.objects import ImageLike
    from hubel.data.image.preprocess import Preprocessing
    from hubel.model.inputs import Input
    from hubel.world import World

BATCH = 32
"""How many images are predicted at a time."""

AHEAD, MOST_WAITING = 3 * BATCH, 8 * BATCH
"""How many images are read ahead, and how many wait for a batch if most of them cannot be read."""

BLOCK = 8 * BATCH
"""How many images in a row each of several processes predicts."""


class Classifier(Protocol):
    """What predicts: a model, or an engine that runs one."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What makes an image the network's input."""

    def probabilities_of(self, pixels: Bytes) -> npt.ArrayLike:
        """Returns float32, images x classes, for images after preprocessing."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes of one image with their probabilities, the most probable first; or an error.

    `file` is the image's path; an image in memory is called `image 0`, `image 1` and so on.
    """

    file: str
    classes: tuple[tuple[str, float], ...] = ()
    error: str = ""

    def __repr__(self) -> str:
        if self.error:
            return f"<Prediction: {self.file}: {self.error}>"
        return f"<Prediction: {self.file} is {self.label} ({self.probability:.1%})>"

    @property
    def label(self) -> str:
        """The most probable class. Raises DataError: the image could not be read."""
        return self._first[0]

    @property
    def probability(self) -> float:
        """The probability of the most probable class. Raises DataError: the image could not be read."""
        return self._first[1]

    @property
    def _first(self) -> tuple[str, float]:
        if self.error:
            raise DataError(f"{self.file}: {self.error}")
        return self.classes[0]


def predict_one(model: Classifier, image: ImageLike, top: int = 5) -> Prediction:
    """Predicts the `top` most probable classes of one image.

    Raises DataError: the image cannot be used. Raises UsageError: `top` below 1.
    """
    check_top(top)
    (probabilities,) = np.asarray(model.probabilities_of(as_seen(image, model.preprocessing)[None]))
    return Prediction(name_of(image, 0), most_probable(model, probabilities, top))


def predictions(
    model: Classifier, images: Iterable[Input], top: int = 5, *, first: int = 0
) -> Iterator[Prediction]:
    """Yields a prediction of the `top` most probable classes for each image, in order.

    Images in memory are numbered from `first` on.
    Images are read ahead on all cores, in bounded number, and predicted in full batches of 32. One that
    cannot be used gives a prediction with an error. A graph that resizes takes them one by one, since their
    sizes differ. Raises UsageError: `top` below 1.
    """
    check_top(top)
    size = 1 if isinstance(model.preprocessing, Whole) else BATCH
    with ThreadPoolExecutor(allowed_cores()) as pool:
        batch: list[tuple[str, Bytes | DataError]] = []
        good = 0
        for name, pixels in _read_ahead(pool, model, images, first):
            batch.append((name, pixels))
            good += not isinstance(pixels, DataError)
            if good == size or len(batch) == MOST_WAITING:
                yield from _of_batch(model, batch, top)
                batch, good = [], 0
        yield from _of_batch(model, batch, top)


def predictions_together(
    model: Classifier, images: Iterable[Input], top: int, world: World, first: int = 0
) -> Iterator[Prediction]:
    """As `predictions`: each process of a world predicts blocks of the images, and all get all; together."""
    if world.size == 1:
        yield from predictions(model, images, top, first=first)
        return
    coming, done = iter(images), first
    while some := list(islice(coming, BLOCK * world.size)):
        begin = BLOCK * world.rank
        own = predictions(model, some[begin : begin + BLOCK], top, first=done + begin)
        for found in world.listed(list(own)):
            yield from found
        done += len(some)


def _read_ahead(
    pool: ThreadPoolExecutor, model: Classifier, images: Iterable[Input], first: int
) -> Iterator[tuple[str, Bytes | DataError]]:
    """The names and the pixels of images, in order, the next ones being read meanwhile."""
    waiting: deque[tuple[str, Future[Bytes | DataError]]] = deque()
    for number, image in enumerate(images, first):
        waiting.append((name_of(image, number), pool.submit(_pixels_or_error, model, image)))
        if len(waiting) > AHEAD:
            name, pixels = waiting.popleft()
            yield name, pixels.result()
    while waiting:
        name, pixels = waiting.popleft()
        yield name, pixels.result()


def _of_batch(
    model: Classifier, batch: list[tuple[str, Bytes | DataError]], top: int
) -> Iterator[Prediction]:
    """The predictions of a batch, those without pixels with their error."""
    good = [pixels for _, pixels in batch if not isinstance(pixels, DataError)]
    found = iter(np.asarray(model.probabilities_of(np.stack(good))) if good else ())
    for name, pixels in batch:
        if isinstance(pixels, DataError):
            yield Prediction(name, error=str(pixels).removeprefix(f"{Path(name)}: "))
        else:
            yield Prediction(name, most_probable(model, next(found), top))


def check_top(top: int) -> None:
    """Raises UsageError: fewer than one class is asked for."""
    if top < 1:
        raise UsageError(f"top is at least 1, not {top}")


def _pixels_or_error(model: Classifier, image: Input) -> Bytes | DataError:
    """The pixels of an image, or what is wrong with it. Raises DataError: an argument of a wrong kind."""
    try:
        return as_seen(image, model.preprocessing)
    except DataError as error:
        if is_path(image) or isinstance(image, Image.Image | Encoded):
            return error
        raise


def name_of(image: Input, number: int) -> str:
    """Returns the path of an image; one in memory is called by its number."""
    if isinstance(image, Encoded):
        return image.name
    return os.fspath(image) if is_path(image) else f"image {number}"


def most_probable(
    model: Classifier, probabilities: npt.NDArray[np.float32], top: int
) -> tuple[tuple[str, float], ...]:
    """Returns the `top` most probable classes of an image with their probabilities: float32, classes."""
    order = np.argsort(-probabilities, kind="stable")[:top].tolist()
    return tuple((model.classes[at], float(probabilities[at])) for at in order)
