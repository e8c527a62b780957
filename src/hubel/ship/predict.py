"""What a model says of image files, one by one, so that a bad file spoils no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hubel.data.folder import visible
from hubel.data.reading import IMAGE_SUFFIXES
from hubel.errors import DataError
from hubel.ship.model import Model


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one file: classes and probabilities, the most probable first, or an error."""

    file: str
    classes: tuple[tuple[str, float], ...] = ()
    error: str = ""


def predict(model: Model, files: Iterable[str | Path], top: int = 5) -> Iterator[Prediction]:
    """Yields what the model says of each file, in order; `top` classes each."""
    for file in files:
        try:
            probabilities = model.probabilities([Path(file)])[0]
        except DataError as error:
            yield Prediction(str(file), error=str(error).removeprefix(f"{Path(file)}: "))
            continue
        order = probabilities.argsort(descending=True, stable=True)[:top].tolist()
        yield Prediction(str(file), tuple((model.classes[at], float(probabilities[at])) for at in order))


def picture_files(places: Iterable[str | Path]) -> list[str | Path]:
    """Files as they are given, and for a folder the pictures in it and in its folders, sorted by name.

    What is a picture is seen by its ending; hidden files and folders and links to folders are passed over.

    Raises DataError: a folder without pictures.
    """
    files: list[str | Path] = []
    for place in places:
        found = [*_inside(Path(place))] if Path(place).is_dir() else [place]
        if not found:
            raise DataError(f"{place}: a folder without pictures, which are known by endings such as .jpg")
        files += found
    return files


def _inside(folder: Path) -> Iterator[Path]:
    for path in visible(folder):
        if path.is_dir():
            yield from () if path.is_symlink() else _inside(path)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            yield path
