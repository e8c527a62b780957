"""How well a model does on the images of a data set: measured, and named image by image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubel.counted import counted, percent
from hubel.data.feed.open import decoded_or_streamed
from hubel.data.sources import DataLike, is_at
from hubel.device import best_device
from hubel.errors import DataError
from hubel.evaluation.metrics import EVALUATION_BATCH, Evaluation, Mistake, evaluate, mistakes_of
from hubel.evaluation.splits import ALL, CHANGED, NEW, images_of
from hubel.shown import Shown

if TYPE_CHECKING:
    from hubel.data.feed.bad import Bad, OnBad
    from hubel.model.file import Model


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelEvaluation(Evaluation, Shown):
    """How a model does on the images of a set: an evaluation that knows `classes` and the images' `names`.

    `split` is train, val or test; `all` for a set without splits; or `new` for those of its images that
    the model was not trained on. `known` is the number of images of the set that it was trained on: left
    out if the split is `new`, else included; None for a stream, which is not searched for them. `skipped`
    are images that could not be read.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    split: str
    known: int | None = 0
    skipped: tuple[Bad, ...] = ()

    @property
    def usable(self) -> int:
        """The number of images of the set that could be read, measured or not."""
        return len(self.labels) + (self.known if self.split == NEW and self.known else 0)

    def mistakes(self) -> list[Mistake]:
        """The misclassified images, the most confident mistake first."""
        return mistakes_of(self, self.classes, self.names)

    def facts(self) -> dict[str, str]:
        """What to show of the evaluation: a name and a text each."""
        found = {
            "images": f"{len(self.labels):,} ({self.split})",
            "classes": f"{len(self.classes):,}",
            "top-1": counted(self.correct, len(self.labels)),
            "chance": f"{percent(self.chance)}, the largest class",
            "top-5": "" if self.correct5 is None else counted(self.correct5, len(self.labels)),
            "macro-F1": percent(self.macro_f1),
            "loss": f"{self.loss:.4f} nats",
            "calibration error": percent(self.ece),
            "mistakes": f"{len(self.wrong):,}",
        }
        return {name: text for name, text in found.items() if text}

    def __repr__(self) -> str:
        lines = (f"  {name:<18} {text}" for name, text in self.facts().items())
        return "\n".join(["Evaluation of a model", *lines])


def measure(model: Model, data: DataLike, split: str = "auto", on_bad: OnBad = "stop") -> ModelEvaluation:
    """Measures a model, on the best device available, on the images that `images_of` chooses.

    Images too many for memory are streamed. With `on_bad="skip"` unreadable images are left out instead
    of raising an error. If the set has no splits, images known to be of the model's training are left out.

    Raises ModelError: its head was never trained.
    Raises DataError, UsageError: as `images_of`; a class the model does not know; no image new to it.
    """
    model.check_trained()
    chosen, device = images_of(data, split, model), best_device()
    images = decoded_or_streamed(chosen.images, model.preprocessing, on_bad=on_bad)
    images, known = chosen.for_model(images, model)
    count = None if known is None else int(known.sum())
    if chosen.split == ALL and count == 0 and model.seen and is_at(data, model.summary.get("data")):
        raise DataError(CHANGED.format(chosen.name))
    batches = images.batches(model.preprocessing, EVALUATION_BATCH, device=device)
    found = evaluate(model.network.to(device), batches.epoch(0), model.views, model.temperature)
    return ModelEvaluation(
        found.scores,
        found.labels,
        found.temperature,
        classes=model.classes,
        names=images.names,
        split=NEW if chosen.split == ALL and count else chosen.split,
        known=count,
        skipped=images.skipped,
    )
