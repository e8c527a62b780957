"""Which images of a data set an instrument looks at, and how its progress is reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hubel.data.feed.cache import decode_once
from hubel.errors import UsageError
from hubel.evaluation.splits import SplitImages, images_of
from hubel.tasks.look.specimen import Specimen, at_least_one

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes, Indices
    from hubel.data.dataset import Images
    from hubel.data.feed.decoded import Decoded

Data: TypeAlias = Any
"""A data set: whatever `hubel.data.sources.open_data` opens, such as a folder, a name or labelled images."""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a task, the part of it that is done, and the whole."""


@dataclass(frozen=True, slots=True)
class Source:
    """Images of a data set: those of a `split`, at most `images` of them, evenly spread; all if None."""

    data: Data
    split: str = "auto"
    images: int | None = None

    def open(self, specimen: Specimen | None = None) -> SplitImages:
        """Opens the images without reading them.

        A set without splits is split as it was when the specimen's model was trained on it; without a
        specimen it stays whole. Raises DataError, UsageError: as `images_of`, or `images` below 1.
        """
        if self.images is not None:
            at_least_one("images", self.images)
        found = images_of(self.data, self.split, None if specimen is None else specimen.model)
        if self.images is None:
            return found
        return replace(found, images=found.images.select(evenly(len(found.images), self.images)))


def evenly(count: int, most: int) -> Indices:
    """Returns at most `most` of `count` places, evenly spread, in order."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.intp)


def labelled(specimen: Specimen, found: SplitImages) -> tuple[Decoded, tuple[str, ...]]:
    """Reads images with the labels of the network's classes, and returns those classes' names.

    The scores of a module whose classes have no names stand for the classes of the set, in its order.
    Raises DataError: an image that cannot be read, or a class the network does not have.
    Raises UsageError: a module without names for its classes, and a set with another number of them.
    """
    if specimen.model is not None:
        return found.decoded(specimen.model), specimen.classes
    classes = specimen.classes if specimen.named else found.classes
    if len(classes) != len(specimen.classes):
        raise UsageError(
            f"the network has {len(specimen.classes)} scores, the set {len(classes)} classes; "
            "name the network's classes: hubel.look(module, volume, classes=[...])"
        )
    decoded = decode_once(found.images, specimen.preprocessing)
    return decoded.relabelled(found.classes, classes), classes


def reader(specimen: Specimen, images: Images) -> Callable[[int], Bytes]:
    """Returns what gives an image of a set by its place: uint8, h x w x c at the network's input size."""
    return partial(images.fitted, preprocessing=specimen.preprocessing)


def counted(progress: Progress | None, what: str, total: int) -> Callable[[int], None] | None:
    """Returns the progress of one task as instruments report it: called with how much is done."""
    if progress is None:
        return None
    report = progress
    return lambda done: report(what, done, total)
