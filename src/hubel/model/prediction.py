"""Predictions: the most probable classes of images. Among several, an unreadable one stops no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image

from hubel.cores import allowed_cores
from hubel.data.arrays import Bytes
from hubel.data.formats.folder import visible
from hubel.data.image.reading import FOREIGN_SUFFIXES, is_image_file
from hubel.errors import DataError, UsageError
from hubel.files import exists

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.data.image.preprocess import Preprocessing
    from hubel.model.file import Model

ImageLike: TypeAlias = str | Path | Image.Image | Bytes
"""An image: the path of a file, a PIL image, or an array, uint8, h x w or h x w x c with c of 1 or 3."""

BATCH = 32
"""How many images are read and predicted at a time."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes of one image with their probabilities, the most probable first; or an error.

    `file` is the image's path; an image in memory is called `image 0`, `image 1` and so on.
    """

    file: str
    classes: tuple[tuple[str, float], ...] = ()
    error: str = ""

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
    if isinstance(images, str | Path):
        return not (exists(images) and Path(images).is_dir())
    return isinstance(images, Image.Image) or (isinstance(images, np.ndarray) and images.ndim < 4)


def several(images: ImageLike | Iterable[ImageLike]) -> Iterator[ImageLike]:
    """Yields images as they are given; of a folder those in it and in its subfolders, sorted by name.

    Images in a folder are recognised by their ending, those without one by their content; one in a format
    that is not read gives a prediction with an error. Hidden files and folders are left out, and so are
    links to folders. A text is never iterated.

    Raises DataError: a folder without images, or neither an image nor several.
    """
    if is_one_image(images) or isinstance(images, str | Path):
        images = [images]  # type: ignore[list-item]  # checked in the line above
    elif not isinstance(images, Iterable):
        raise DataError(_NO_IMAGE.format(type(images).__name__))
    for image in images:
        if not (isinstance(image, str | Path) and exists(image) and Path(image).is_dir()):
            yield image
            continue
        inside = [*_inside(Path(image))]
        if not inside:
            raise DataError(f"{image}: a folder without images (files that end in .jpg, .png and the like)")
        yield from inside


def predict_one(model: Model, image: ImageLike, top: int = 5) -> Prediction:
    """Predicts the `top` most probable classes of one image.

    Raises DataError: the image cannot be used. Raises UsageError: `top` below 1.
    """
    check_top(top)
    (probabilities,) = model.probabilities_of(pixels_of(model.preprocessing, image)[None])
    return Prediction(_name(image, 0), _most_probable(model, probabilities, top))


def predictions(model: Model, images: Iterable[ImageLike], top: int = 5) -> Iterator[Prediction]:
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
            found = iter(model.probabilities_of(np.stack(good)) if good else ())
            for image, pixels in zip(some, read, strict=True):
                name = _name(image, next(numbers))
                if isinstance(pixels, DataError):
                    yield Prediction(name, error=str(pixels).removeprefix(f"{Path(name)}: "))
                else:
                    yield Prediction(name, _most_probable(model, next(found), top))


def pixels_of(preprocessing: Preprocessing, image: ImageLike) -> Bytes:
    """Returns an image as a network of this preprocessing sees it: uint8, height x width x depth.

    A file is read exactly as in training. Raises DataError: the image cannot be used.
    """
    if isinstance(image, str | Path):
        return preprocessing.read(Path(image))
    if isinstance(image, Image.Image):
        return preprocessing.pixels(image)
    if isinstance(image, np.ndarray):
        return preprocessing.pixels(_checked(image))
    raise DataError(_NO_IMAGE.format(type(image).__name__))


def check_top(top: int) -> None:
    """Raises UsageError: fewer than one class is asked for."""
    if top < 1:
        raise UsageError(f"top is at least 1, not {top}")


_NO_IMAGE = (
    "an image is the path of a file, a PIL image or a uint8 array of height x width x channels, not {}"
)


def _checked(array: Bytes) -> Bytes:
    """Returns an image's array as h x w x c. Raises DataError: another type or shape, with the remedy."""
    shape = "x".join(map(str, array.shape))
    if array.dtype != np.uint8:
        remedy = "; scale values from 0 to 1 by 255 and convert them with astype('uint8')"
        raise DataError(f"an image's array is uint8, from 0 to 255, not {array.dtype}{remedy}")
    if array.ndim == 2:
        return array[..., None]
    if array.ndim == 3 and array.shape[2] in (1, 3):
        return array
    channels_first = array.ndim == 3 and array.shape[0] in (1, 3)
    remedy = "; its channels come first: use array.transpose(1, 2, 0)" if channels_first else ""
    raise DataError(f"an image's array is height x width x channels, of 1 or 3 channels, not {shape}{remedy}")


def _pixels_or_error(model: Model, image: ImageLike) -> Bytes | DataError:
    """The pixels of an image, or what is wrong with it. Raises DataError: an argument of a wrong kind."""
    try:
        return pixels_of(model.preprocessing, image)
    except DataError as error:
        if isinstance(image, str | Path | Image.Image):
            return error
        raise


def _name(image: ImageLike, number: int) -> str:
    return str(image) if isinstance(image, str | Path) else f"image {number}"


def _most_probable(model: Model, probabilities: Tensor, top: int) -> tuple[tuple[str, float], ...]:
    order = probabilities.argsort(descending=True, stable=True)[:top].tolist()
    return tuple((model.classes[at], float(probabilities[at])) for at in order)


def _inside(folder: Path) -> Iterator[Path]:
    for path in visible(folder):
        if path.is_dir():
            yield from () if path.is_symlink() else _inside(path)
        elif path.suffix.lower() in FOREIGN_SUFFIXES or is_image_file(path):
            yield path
