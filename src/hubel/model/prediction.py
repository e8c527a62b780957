"""What a model says of image files, a batch at a time; a bad file spoils no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubel.cores import allowed_cores
from hubel.data.formats.folder import visible
from hubel.data.image.reading import IMAGE_SUFFIXES
from hubel.errors import DataError
from hubel.model.file import Model

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.data.arrays import Bytes

AT_ONCE = 32
"""How many files are read and answered at a time."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one file: classes and probabilities, the most probable first, or an error."""

    file: str
    classes: tuple[tuple[str, float], ...] = ()
    error: str = ""


def predict(model: Model, files: Iterable[str | Path], top: int = 5) -> Iterator[Prediction]:
    """Yields what the model says of each file, in order; `top` classes each. Some are read at a time."""
    rest = iter(files)
    with ThreadPoolExecutor(allowed_cores()) as pool:
        while some := list(islice(rest, AT_ONCE)):
            seen = list(pool.map(partial(_read, model), some))
            good = [pixels for pixels in seen if not isinstance(pixels, DataError)]
            found = iter(model.probabilities_of(np.stack(good)) if good else ())
            for file, pixels in zip(some, seen, strict=True):
                if isinstance(pixels, DataError):
                    yield Prediction(str(file), error=str(pixels).removeprefix(f"{Path(file)}: "))
                else:
                    yield Prediction(str(file), _most_probable(model, next(found), top))


def _read(model: Model, file: str | Path) -> Bytes | DataError:
    """The pixels of a file as the model sees it, or why it cannot be used."""
    try:
        return model.preprocessing.read(Path(file))
    except DataError as error:
        return error


def _most_probable(model: Model, probabilities: Tensor, top: int) -> tuple[tuple[str, float], ...]:
    order = probabilities.argsort(descending=True, stable=True)[:top].tolist()
    return tuple((model.classes[at], float(probabilities[at])) for at in order)


def image_files(places: Iterable[str | Path]) -> list[str | Path]:
    """Files as they are given, and for a folder the images in it and in its folders, sorted by name.

    What is an image is seen by its ending; hidden files and folders and links to folders are passed over.

    Raises DataError: a folder without images.
    """
    files: list[str | Path] = []
    for place in places:
        found = [*_inside(Path(place))] if Path(place).is_dir() else [place]
        if not found:
            raise DataError(f"{place}: a folder without images, which are known by endings such as .jpg")
        files += found
    return files


def _inside(folder: Path) -> Iterator[Path]:
    for path in visible(folder):
        if path.is_dir():
            yield from () if path.is_symlink() else _inside(path)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            yield path
