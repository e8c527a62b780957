"""A finished model measured on labelled images: which images, and how well it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubel.data.dataset import SPLITS as NAMES
from hubel.data.dataset import DataSet, Images
from hubel.data.feed.cache import decode_once
from hubel.data.feed.open import decoded_or_streamed
from hubel.data.marks import fingerprint
from hubel.data.sources import is_at, open_data
from hubel.data.split import with_val
from hubel.device import best_device
from hubel.errors import DataError, UsageError, nearest
from hubel.evaluation.metrics import EVALUATION_BATCH, Evaluation, evaluate
from hubel.model.file import Model

if TYPE_CHECKING:
    from hubel.data.arrays import Flags
    from hubel.data.feed.bad import OnBad
    from hubel.data.feed.batches import Feed
    from hubel.data.feed.decoded import Decoded

SPLITS = ("auto", *dict.fromkeys(NAMES.values()))
"""Which images of a set to take; `auto` is for `images_of` to decide."""

ALL, NEW = "all", "new"
"""What the images of a set without splits are called, and those of them that a model was not trained on."""

_CHANGED = (
    "{}: its images have changed since the model was trained on them, so that none is known to be new "
    "to it; measure on a folder of other images"
)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Images to hold against a model, not read yet; labels are of the set's own `classes`.

    `split` is the name of their split, or `all`.
    """

    split: str
    classes: tuple[str, ...]
    images: Images

    def decoded(self, model: Model) -> Decoded:
        """The images as the model sees them, labelled by its classes.

        Of a set without splits those that it was not trained on. Raises DataError: an image that cannot be
        used, or of a class that the model does not know, or none that is new to it.
        """
        found = decode_once(self.images, model.preprocessing).relabelled(self.classes, model.classes)
        return found.only(_new(model.saw(found.marks() or []), "the set")) if self.split == ALL else found


@dataclass(frozen=True, slots=True)
class Measured:
    """How a model did, on which images: `split` is their split's name, `all`, or `new`.

    `known` are how many of the set's images it was trained on: left out of `new` ones, else among them;
    None where they are a stream, in which these are not looked for.
    """

    split: str
    images: Feed
    result: Evaluation
    known: int | None = 0

    @property
    def usable(self) -> int:
        """How many images of the set could be used, measured or not."""
        return len(self.images) + (self.known if self.split == NEW and self.known else 0)


def measure(model: Model, data: str, split: str = "auto", on_bad: OnBad = "stop") -> Measured:
    """Measures a model, on the best device there is, on the images that `images_of` takes.

    Images too many for memory are streamed. `on_bad` is what one that cannot be used does: `stop`, or be
    left out. Of a set without splits those are left out that the model was trained on, as far as is known.

    Raises DataError, UsageError: as `images_of`, a class the model does not know, or no image that is
    new to it.
    """
    held_out, device = images_of(data, split, model), best_device()
    images = decoded_or_streamed(held_out.images, model.preprocessing, on_bad=on_bad)
    decoded, split = images.relabelled(held_out.classes, model.classes), held_out.split
    marks = decoded.marks()
    known = None if marks is None else model.saw(marks)
    if split == ALL and known is not None:
        if known.any():
            decoded, split = decoded.only(_new(known, data)), NEW
        elif model.seen and is_at(data, model.summary.get("data")):
            raise DataError(_CHANGED.format(data))
    batches = decoded.batches(model.preprocessing, EVALUATION_BATCH, device=device)
    result = evaluate(model.network.to(device), batches.epoch(0), model.views, model.temperature)
    return Measured(split, decoded, result, None if known is None else int(known.sum()))


def _new(known: Flags, name: str) -> Flags:
    """Which images of a set are not `known` to a model. Raises DataError: it was trained on all."""
    if known.all():
        raise DataError(f"{name}: the model was trained on every image of it; measure on others")
    return ~known


def images_of(data: str, split: str = "auto", model: Model | None = None) -> HeldOut:
    """The images of a set to hold against a model, of a split if one is named.

    `auto` takes the test split where the set has one, else the validation split, else all. Of a set
    without either, a `model` that was trained on it, or on a copy of it, has the split of its training.

    Raises DataError: no such set or split, or not the images any more that the model was trained on.
    Raises UsageError: a split that no set has.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}{nearest(split, SPLITS)}; choose {', '.join(SPLITS)}")
    found = open_data(data, val=0)
    if model is not None and found.val is None and (split in ("train", "val") or found.test is None):
        found = _as_trained(found, model, there=is_at(data, model.summary.get("data")))
    splits = {"train": found.train, "val": found.val, "test": found.test}
    there = {name: images for name, images in splits.items() if images is not None}
    if split == "auto":
        split = next((name for name in ("test", "val") if name in there), ALL)
        return HeldOut(split, found.classes, there.get(split, found.train))
    if split not in there:
        raise DataError(f"{found.name} has no {split} split; it has {', '.join(there)}")
    return HeldOut(split, found.classes, there[split])


def _as_trained(data: DataSet, model: Model, *, there: bool) -> DataSet:
    """A set without splits, with the images held out that were held out if the model was trained on it.

    As it is where the model was trained on another. Raises DataError: it was trained `there`, where the
    images are no longer those of the training.
    """
    try:
        again = with_val(data, float(model.summary.get("val", 0.2)), int(model.summary.get("seed", 0)))
    except DataError:  # none can be held out, and so none was
        return data
    if fingerprint(again.train) == model.summary.get("trained_on"):
        return again
    if there and model.seen is None:
        raise DataError(_CHANGED.format(data.name))
    return data
