"""Which images of a data set a model is measured on: a split, those held out in training, or new ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hubel.data.dataset import SPLITS as NAMES
from hubel.data.dataset import DataSet, Images
from hubel.data.feed.batches import Feed
from hubel.data.feed.cache import decode_once
from hubel.data.marks import fingerprint
from hubel.data.sources import is_at, open_data
from hubel.data.split import with_val
from hubel.errors import DataError, UsageError, nearest

if TYPE_CHECKING:
    from hubel.data.arrays import Flags
    from hubel.data.feed.decoded import Decoded
    from hubel.model.ensemble import Ensemble
    from hubel.model.exported import Exported
    from hubel.model.file import Model

SPLITS = ("auto", *dict.fromkeys(NAMES.values()))
"""The splits that can be asked for; for `auto` see `images_of`."""

ALL, NEW = "all", "new"
"""The split of a set without splits, and the part of it that a model was not trained on."""

CHANGED = (
    "{}: its images have changed since the model was trained on them, so none is known to be new to it; "
    "measure on a folder of other images"
)


Read = TypeVar("Read", bound=Feed)
"""Images that are read, or streamed."""


@dataclass(frozen=True, slots=True)
class SplitImages:
    """The images of one split of the set `name`, not read yet; labels are indices into the set's `classes`.

    `split` is train, val, test or `all`.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    images: Images

    def decoded(self, model: Model | Ensemble | Exported) -> Decoded:
        """Reads the images at the model's size, labelled by the model's classes.

        Of a set without splits, the images that the model was trained on are left out. Raises DataError: an
        image that cannot be used, a class that the model does not know, or no image that is new to it.
        """
        return self.for_model(decode_once(self.images, model.preprocessing), model)[0]

    def for_model(self, images: Read, model: Model | Ensemble | Exported) -> tuple[Read, Flags | None]:
        """The images, once read, labelled by the model's classes; and which of them it knows: bool, n.

        It knows those that it was trained on. Of a set without splits they are left out; of a stream they are
        not known: None. Raises DataError: a class that the model lacks, or no image that is new to it.
        """
        found = images.relabelled(self.classes, model.classes)
        marks = found.marks()
        known = None if marks is None else model.saw(marks)
        if self.split != ALL or known is None or not known.any():
            return found, known
        if known.all():
            raise DataError(f"{self.name}: the model was trained on every image of it; measure on others")
        return found.only(~known), known


def images_of(
    data: Any, split: str = "auto", model: Model | Ensemble | Exported | None = None
) -> SplitImages:
    """Returns the images of one split of a set; `data` is whatever `open_data` takes.

    `auto` takes the test set if there is one, else the validation set, else all images. If the set has
    neither and `model` was trained on it, or on a copy of it, it is split again as it was for training.

    Raises DataError: no such set or split, or the images have changed since the model was trained on them.
    Raises UsageError: an unknown split.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}{nearest(split, SPLITS)}; choose {', '.join(SPLITS)}")
    found = open_data(data, val=0)
    if model is not None and found.val is None and (split in ("train", "val") or found.test is None):
        same_place = is_at(data, model.summary.get("data"))
        found = _split_as_trained(found, model, same_place=same_place)
    splits = {"train": found.train, "val": found.val, "test": found.test}
    available = {name: images for name, images in splits.items() if images is not None}
    if split == "auto":
        split = next((name for name in ("test", "val") if name in available), ALL)
        return SplitImages(found.name, split, found.classes, available.get(split, found.train))
    if split not in available:
        raise DataError(f"{found.name} has no {split} split; it has {', '.join(available)}")
    return SplitImages(found.name, split, found.classes, available[split])


def _split_as_trained(data: DataSet, model: Model | Ensemble | Exported, *, same_place: bool) -> DataSet:
    """Splits a set as it was when the model was trained on it, or returns it unchanged if it was another.

    Raises DataError: the model was trained on the set at the `same_place`, but its images have changed.
    """
    try:
        again = with_val(data, float(model.summary.get("val", 0.2)), int(model.summary.get("seed", 0)))
    except DataError:  # too few images to hold any out, so that training held none out
        return data
    if fingerprint(again.train) == model.summary.get("trained_on"):
        return again
    if same_place and model.seen is None:
        raise DataError(CHANGED.format(data.name))
    return data
