"""Predictions: the most probable classes of images. Among several, an unreadable one stops no other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from hubel.cores import allowed_cores
from hubel.data.formats.folder import visible
from hubel.data.image.objects import as_seen, is_path, is_tensor, no_image
from hubel.data.image.reading import FOREIGN_SUFFIXES, is_image_file
from hubel.errors import DataError, UsageError
from hubel.files import exists

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.arrays import Bytes
    from hubel.data.image.objects import ImageLike
    from hubel.data.image.preprocess import Preprocessing

BATCH = 32
"""How many images are read and predicted at a time."""


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


def is_one_image(images: object) -> bool:
    """Whether this is one image, not several: a path that is no folder, a PIL image, an array of one."""
    if is_path(images):
        return not (exists(images) and Path(images).is_dir())
    array = isinstance(images, np.ndarray) or is_tensor(images)
    return isinstance(images, Image.Image) or (array and getattr(images, "ndim", 0) < 4)


def several(images: ImageLike | Iterable[ImageLike]) -> Iterator[ImageLike]:
    """Yields images as they are given; of a folder those in it and in its subfolders, sorted by name.

    Images in a folder are recognised by their ending, those without one by their content; one in a format
    that is not read gives a prediction with an error. Hidden files and folders are left out, and so are
    links to folders. A text is never iterated.

    Raises DataError: a folder without images, or neither an image nor several.
    """
    every: Any = [images] if is_one_image(images) or is_path(images) else images
    if not isinstance(every, Iterable):
        raise no_image(images)
    for image in every:
        if not (is_path(image) and exists(image) and Path(image).is_dir()):
            yield image
            continue
        inside = [*_inside(Path(image))]
        if not inside:
            raise DataError(f"{image}: a folder without images (files that end in .jpg, .png and the like)")
        yield from inside


def predict_one(model: Classifier, image: ImageLike, top: int = 5) -> Prediction:
    """Predicts the `top` most probable classes of one image.

    Raises DataError: the image cannot be used. Raises UsageError: `top` below 1.
    """
    check_top(top)
    (probabilities,) = np.asarray(model.probabilities_of(as_seen(image, model.preprocessing)[None]))
    return Prediction(_name(image, 0), _most_probable(model, probabilities, top))


def predictions(model: Classifier, images: Iterable[ImageLike], top: int = 5) -> Iterator[Prediction]:
    """Yields a prediction of the `top` most probable classes for each image, in order.

    Images are taken 32 at a time. One that cannot be used gives a prediction with an error.
    Raises UsageError: `top` below 1.
    """
    check_top(top)
    rest, numbers = iter(images), count()
    with ThreadPoolExecutor(allowed_cores()) as pool:
        while some := list(islice(rest, BATCH)):
            read = list(pool.map(partial(_pixels_or_error, model), some))
            good = [pixels for pixels in read if not isinstance(pixels, DataError)]
            found = iter(np.asarray(model.probabilities_of(np.stack(good))) if good else ())
            for image, pixels in zip(some, read, strict=True):
                name = _name(image, next(numbers))
                if isinstance(pixels, DataError):
                    yield Prediction(name, error=str(pixels).removeprefix(f"{Path(name)}: "))
                else:
                    yield Prediction(name, _most_probable(model, next(found), top))


def check_top(top: int) -> None:
    """Raises UsageError: fewer than one class is asked for."""
    if top < 1:
        raise UsageError(f"top is at least 1, not {top}")


def _pixels_or_error(model: Classifier, image: ImageLike) -> Bytes | DataError:
    """The pixels of an image, or what is wrong with it. Raises DataError: an argument of a wrong kind."""
    try:
        return as_seen(image, model.preprocessing)
    except DataError as error:
        if is_path(image) or isinstance(image, Image.Image):
            return error
        raise


def _name(image: ImageLike, number: int) -> str:
    return os.fspath(image) if is_path(image) else f"image {number}"


def _most_probable(
    model: Classifier, probabilities: npt.NDArray[np.float32], top: int
) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-probabilities, kind="stable")[:top].tolist()
    return tuple((model.classes[at], float(probabilities[at])) for at in order)


def _inside(folder: Path) -> Iterator[Path]:
    for path in visible(folder):
        if path.is_dir():
            yield from () if path.is_symlink() else _inside(path)
        elif path.suffix.lower() in FOREIGN_SUFFIXES or is_image_file(path):
            yield path
