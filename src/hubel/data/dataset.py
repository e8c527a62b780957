"""Data sets: labelled images as their source stores them, in splits, not yet at the network's size."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from PIL import Image

from hubel.data.image.modes import COLOUR, GREY, as_image, has_colour
from hubel.data.image.reading import read_image, read_size
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from hubel.data.arrays import Bytes, Indices, Labels
    from hubel.data.image.preprocess import Preprocessing

Seen = TypeVar("Seen")

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""The accepted names of splits, in lower case, and the split each one means."""

_SAMPLE = 200


class Images(Protocol):
    """Labelled images; `labels`: int64, n, each an index into the data set's classes."""

    @property
    def labels(self) -> Labels:
        """The class of each image."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """The image's name in errors and lists: its path, or its place such as `digits/0007`."""

    def image(self, index: int) -> Image.Image:
        """The whole image. Raises DataError: it cannot be read."""

    def fitted(self, index: int, preprocessing: Preprocessing) -> Bytes:
        """The preprocessed image, not to be written to: uint8, h x w x c.

        Raises DataError: it cannot be read, or its pixels or orientation are ambiguous.
        """

    def size(self, index: int) -> tuple[int, int]:
        """Height and width in pixels, upright. Raises DataError: it cannot be read."""

    def select(self, indices: Indices) -> Images:
        """The images at `indices`, in that order."""


@dataclass(frozen=True, eq=False)
class FileImages:
    """Images in files, read when needed; an image's name is its path.

    `groups`: int64, n, or None: images of one group, for example of one patient, stay in one split.
    `unusable`: by path, why a file counts as unreadable without being opened.
    """

    labels: Labels
    paths: tuple[Path, ...]
    groups: Labels | None = None
    unusable: Mapping[Path, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """The image's path."""
        return str(self.paths[index])

    def file(self, index: int) -> Path:
        """The image's file. Raises DataError: it is unusable."""
        path = self.paths[index]
        if path in self.unusable:
            raise DataError(f"{path}: {self.unusable[path]}")
        return path

    def image(self, index: int) -> Image.Image:
        """The whole image. Raises DataError: it cannot be read."""
        return read_image(self.file(index))

    def fitted(self, index: int, preprocessing: Preprocessing) -> Bytes:
        """The preprocessed image. Raises DataError: as `Preprocessing.read`."""
        return preprocessing.read(self.file(index))

    def size(self, index: int) -> tuple[int, int]:
        """Height and width in pixels, upright. Raises DataError: it cannot be read."""
        return read_size(self.file(index))

    def select(self, indices: Indices) -> FileImages:
        """The images at `indices`, in that order; nothing is read."""
        groups = None if self.groups is None else self.groups[indices]
        paths = tuple(self.paths[index] for index in indices)
        return FileImages(self.labels[indices], paths, groups, self.unusable)


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images in memory; `pixels`: uint8, n x h x w x c with c of 1 or 3."""

    labels: Labels
    pixels: Bytes
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    def name(self, index: int) -> str:
        """The image's place in its source, such as `digits/0007`."""
        return self.names[index]

    def image(self, index: int) -> Image.Image:
        """The image, of mode L or RGB."""
        return as_image(self.pixels[index])

    def fitted(self, index: int, preprocessing: Preprocessing) -> Bytes:
        """The preprocessed image."""
        return preprocessing.pixels(self.pixels[index])

    def size(self, index: int) -> tuple[int, int]:
        """Height and width in pixels, the same for all."""
        return self.pixels.shape[1], self.pixels.shape[2]

    def select(self, indices: Indices) -> ArrayImages:
        """The images at `indices`, in that order, copied."""
        names = tuple(self.names[index] for index in indices)
        return ArrayImages(self.labels[indices], self.pixels[indices], names)


def numbered(source: str, count: int) -> tuple[str, ...]:
    """Returns a name for each of `count` images: `digits/0000`, `digits/0001` and so on."""
    digits = len(str(count - 1))
    return tuple(f"{source}/{number:0{digits}}" for number in range(count))


def labelled(names: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], dict[str, Labels]]:
    """Returns the classes named in any split, in order, and each split's labels as indices: int64, n."""
    classes = class_order({name for of in names.values() for name in of})
    places = {name: place for place, name in enumerate(classes)}
    return classes, {split: np.array([places[name] for name in of], np.int64) for split, of in names.items()}


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Returns class names sorted as numbers if all of them are numbers, else as texts."""
    found = list(names)
    if all(name.isascii() and name.isdecimal() for name in found):
        return tuple(sorted(found, key=lambda name: (int(name), name)))
    return tuple(sorted(found))


@dataclass(frozen=True, eq=False)
class DataSet:
    """Labelled images in splits; a split that the source lacks is None.

    `declared_mirror` is the source's statement on `mirror`, None if it makes none.

    Raises DataError: fewer than two classes, two classes of one name, a class without a training image, a
    label out of range.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    val: Images | None = None
    test: Images | None = None
    declared_mirror: bool | None = None

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            only = f"one class, {self.classes[0]!r}" if self.classes else "no class"
            raise DataError(f"{self.name}: {only}; a classifier needs at least two")
        if len(set(self.classes)) < len(self.classes):
            raise DataError(f"{self.name}: two classes have the same name: {', '.join(self.classes)}")
        for split, images in (("train", self.train), ("val", self.val), ("test", self.test)):
            if images is not None:
                self._check_labels(split, images)
        missing = np.flatnonzero(np.bincount(self.train.labels, minlength=len(self.classes)) == 0)
        if len(missing):
            raise DataError(
                f"{self.name}: class {self.classes[missing[0]]!r} has no training image; "
                "add images of it or remove the class"
            )

    @cached_property
    def depth(self) -> int:
        """3 if any image of a sample spread over the training set has colour, else 1.

        Raises DataError: no image of the sample can be read.
        """
        return COLOUR if any(self._seen(lambda index: has_colour(self.train.image(index)))) else GREY

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Heights and widths in pixels of a sample spread over the training set.

        Raises DataError: no image of the sample can be read.
        """
        return tuple(self._seen(self.train.size))

    @property
    def size(self) -> tuple[int, int]:
        """Median height and median width in pixels of the sample. Raises DataError: as `sizes`."""
        height, width = np.median(np.array(self.sizes), axis=0)
        return int(height), int(width)

    @cached_property
    def mirror(self) -> bool:
        """Whether a mirrored image keeps its class, so that flips may augment.

        The source decides if it declares it: true for photographs and clothes, false for digits. Otherwise
        true for colour images, unless all class names are single characters or numbers, which usually means
        characters or signs; false for grey images, which are often writing or scans.

        Raises DataError: no image of the sample for `depth` can be read.
        """
        if self.declared_mirror is not None:
            return self.declared_mirror
        characters = all(len(name) == 1 or name.isdecimal() for name in self.classes)
        return not characters and self.depth == COLOUR

    def _seen(self, look: Callable[[int], Seen]) -> Iterator[Seen]:
        """Yields `look` of at most 200 images, evenly spread, so that a set sorted by class is covered.

        Unreadable images are passed over. Raises DataError: none can be read.
        """
        count, bad, any_seen = len(self.train), None, False
        for place in np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64):
            try:
                yield look(int(place))
                any_seen = True
            except DataError as error:
                bad = bad or error
        if bad and not any_seen:
            raise bad

    def _check_labels(self, split: str, images: Images) -> None:
        if len(images.labels) != len(images):
            raise DataError(f"{self.name}/{split}: {len(images)} images but {len(images.labels)} labels")
        wrong = np.flatnonzero((images.labels < 0) | (images.labels >= len(self.classes)))
        if len(wrong):
            where = int(wrong[0])
            raise DataError(
                f"{self.name}: {images.name(where)} has label {images.labels[where]}, "
                f"but classes are numbered 0 to {len(self.classes) - 1}; correct the label or the classes"
            )
