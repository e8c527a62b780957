"""Images to try a model on: of a data set, of the set it was trained on, or, where there is none, noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.data.image.preprocess import Preprocessing, Whole
from hubel.errors import DataError, HubelError
from hubel.evaluation.splits import images_of

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes, Labels
    from hubel.model.exported import Exported
    from hubel.model.file import Model

NOISE = "noise"

PHOTO = (375, 500)
"""The height and width of what a graph that resizes is tried on: the most common ones of ImageNet."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Pixels after preprocessing, n x h x w x c, and where they are from; `labels` are the model's classes.

    For noise there are no labels. Of a class that the model does not know the label is -1.
    """

    pixels: Bytes
    source: str
    labels: Labels | None = None

    @property
    def real(self) -> bool:
        """Whether these are images, not noise."""
        return self.source != NOISE


def trial_images(model: Model | Exported, data: Any, count: int, split: str = "auto") -> Trial:
    """Returns at most `count` images, evenly spread over a split of a set; unreadable ones are passed over.

    For a graph that resizes they are all of the size `PHOTO`.
    Where no set is given, that which the model was trained on is taken, if it is still there, else noise.
    Raises DataError, UsageError: the given set cannot be used.
    """
    if data is not None:
        return _of_set(model, data, count, split)
    recorded = model.summary.get("data")
    if recorded:
        try:
            return _of_set(model, recorded, count, split)
        except HubelError:  # moved or changed since
            pass
    seen = _tried(model.preprocessing).volume
    shape = (count, *seen.plane, seen.depth)
    return Trial(np.random.default_rng(0).integers(0, 256, shape, np.uint8), NOISE)


def _of_set(model: Model | Exported, data: Any, count: int, split: str) -> Trial:
    chosen = images_of(data, split, model)
    known = {name: place for place, name in enumerate(model.classes)}
    label_of = [known.get(name, -1) for name in chosen.classes]
    seen = _tried(model.preprocessing)
    total = len(chosen.images)
    pixels, labels = [], []
    for place in np.linspace(0, total - 1, min(count, total)).astype(np.int64).tolist():
        try:
            pixels.append(chosen.images.fitted(place, seen))
        except DataError:
            continue
        labels.append(label_of[int(chosen.images.labels[place])])
    if not pixels:
        raise DataError(f"{chosen.name}: none of its images can be read")
    split = "" if chosen.split == "all" else f", {chosen.split}"
    return Trial(np.stack(pixels), f"{chosen.name}{split}", np.array(labels, np.int64))


def _tried(preprocessing: Preprocessing) -> Preprocessing:
    """What makes images alike in size, so that any number of them is a batch."""
    if not isinstance(preprocessing, Whole):
        return preprocessing
    photo = Preprocessing.of((*PHOTO, preprocessing.depth), interpolation=preprocessing.interpolation)
    return replace(photo, range=preprocessing.range)
