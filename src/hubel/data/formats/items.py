"""Images that are the items of a Python sequence or dataset, each taken when it is needed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from hubel.data.image.modes import as_image, upright
from hubel.data.image.objects import image_of, is_path
from hubel.data.image.reading import read_image, read_size
from hubel.errors import DataError

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes, Indices, Labels
    from hubel.data.image.preprocess import Preprocessing

_READING = Lock()
"""Held while an item of a dataset is read: torch datasets are made for processes, not for threads."""


class Indexed(Protocol):
    """Anything with a length and items, such as a sequence, an array, a dataset or a DataFrame."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class ItemImages:
    """Images that are the items of a sequence: image i is `items[places[i]]`.

    An item is what `image.objects.image_of` takes, or a path. `names`: one per item.
    """

    labels: Labels
    places: Indices
    items: Indexed
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.places)

    def name(self, index: int) -> str:
        """The image's path if it is known, else its place such as `train/0007`."""
        return self.names[int(self.places[index])]

    def image(self, index: int) -> Image.Image:
        """The whole image. Raises DataError: it cannot be read, or the item is no image."""
        found = self._item(index)
        if isinstance(found, Path):
            return read_image(found)
        return found if isinstance(found, Image.Image) else as_image(found)

    def fitted(self, index: int, preprocessing: Preprocessing) -> Bytes:
        """The image as a network of this preprocessing sees it. Raises DataError: as `image`, by name."""
        found = self._item(index)
        if isinstance(found, Path):
            return preprocessing.read(found)
        try:
            return preprocessing.pixels(found)
        except (DataError, OSError, SyntaxError) as error:  # a PIL image may decode its file only now
            raise DataError(f"{self.name(index)}: {error}") from error

    def size(self, index: int) -> tuple[int, int]:
        """Height and width in pixels, upright. Raises DataError: as `image`."""
        found = self._item(index)
        if isinstance(found, Path):
            return read_size(found)
        if isinstance(found, Image.Image):
            image = upright(found)
            return image.height, image.width
        height, width, _ = found.shape
        return height, width

    def select(self, indices: Indices) -> ItemImages:
        """The images at `indices`, in that order; nothing is read."""
        return replace(self, labels=self.labels[indices], places=self.places[indices])

    def _item(self, index: int) -> Image.Image | Bytes | Path:
        """The image, or its path. Raises DataError: the item is neither, or cannot be read."""
        try:
            item = self.items[int(self.places[index])]
            return Path(item).expanduser() if is_path(item) else image_of(item)
        except DataError as error:
            raise DataError(f"{self.name(index)}: {error}") from error
        except Exception as error:  # the caller's own code may raise anything
            raise DataError(f"{self.name(index)}: cannot be read ({described(error)})") from error


@dataclass(frozen=True, slots=True)
class FirstOfPairs:
    """The images of a dataset of (image, class), read one at a time."""

    dataset: Any

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: int) -> object:
        with _READING:
            return pair(self.dataset[place])[0]


def pair(item: Any) -> tuple[Any, Any]:
    """Returns an item as an image and its class. Raises DataError: it is no pair."""
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    raise DataError(f"an item is a pair (image, class), not {type(item).__name__}")


def described(error: Exception) -> str:
    """Returns an error of other code in one line: its type and its message's first line."""
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
