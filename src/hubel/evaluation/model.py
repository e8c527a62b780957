"""How well a model does on the images of a data set: measured, and named image by image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from hubel.counted import counted, percent
from hubel.data.feed.bad import UnusableError
from hubel.data.feed.decoded import read_all, without_bad
from hubel.data.feed.open import decoded_or_streamed
from hubel.data.image.preprocess import Whole
from hubel.data.sources import DataLike, is_at
from hubel.device import best_device
from hubel.errors import DataError, UsageError
from hubel.evaluation.metrics import (
    Evaluation,
    Mistake,
    evaluate_together,
    evaluation_batch,
    mistakes_of,
)
from hubel.evaluation.protocols import Tester
from hubel.evaluation.splits import ALL, CHANGED, NEW, images_of
from hubel.model.ensemble import Ensemble
from hubel.model.exported import Exported
from hubel.model.file import Model
from hubel.shown import Shown
from hubel.world import ALONE, World

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.dataset import Images
    from hubel.data.feed.bad import Bad, OnBad
    from hubel.data.feed.batches import Feed
    from hubel.evaluation.splits import SplitImages

STREAMED = "too many images for memory: they are not searched for those the model was trained on"
NO_MARKS = "an exported file does not know which images its model was trained on"

ENGINE_BATCH = 32
"""The images of a batch for an engine other than torch."""


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelEvaluation(Evaluation, Shown):
    """How a model does on the images of a set: an evaluation that knows `classes` and the images' `names`.

    `split` is train, val or test; `all` for a set without splits; or `new` for those of its images that
    the model was not trained on. `known` is the number of images of the set that it was trained on: left
    out if the split is `new`, else included; None where that is not known, and then `unknown` says why.
    `skipped` are images that could not be read.
    """

    classes: tuple[str, ...]
    names: tuple[str, ...]
    split: str
    known: int | None = 0
    unknown: str = ""
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


def measure(
    model: Model | Ensemble | Exported,
    data: DataLike,
    split: str = "auto",
    on_bad: OnBad = "stop",
    *,
    protocol: str = "",
    world: World = ALONE,
    of: Model | None = None,
) -> ModelEvaluation:
    """Measures a model on the images that `images_of` chooses.

    A model runs by torch on the best device available, one by another engine, or an exported file, by that.
    `protocol` is a name of `PROTOCOLS`, empty for one view as in training. The processes of a world share the
    images; together. `of` is the model that an engine runs, which knows the images it was trained on.

    Images too many for memory are streamed. With `on_bad="skip"` unreadable images are left out instead
    of raising an error. If the set has no splits, images known to be of the model's training are left out.

    Raises ModelError: its head was never trained.
    Raises DataError, UsageError: as `images_of`; a class the model does not know; no image new to it.
    """
    model.check_trained()
    knows = of or model
    chosen = images_of(data, split, knows)
    if protocol and isinstance(model, Exported):
        raise UsageError("a protocol is measured by torch: give the model itself, and leave the engine out")
    if isinstance(model.preprocessing, Whole):
        return _of_whole_images(model, chosen, on_bad)
    with world.one_first():
        images = decoded_or_streamed(chosen.images, model.preprocessing, on_bad=on_bad)
    images, known = chosen.for_model(images, knows)
    unknown = STREAMED if known is None else ""
    if isinstance(knows, Exported):  # it has no marks of its training images
        known, unknown = None, NO_MARKS
    count = None if known is None else int(known.sum())
    if chosen.split == ALL and count == 0 and knows.seen and is_at(data, knows.summary.get("data")):
        raise DataError(CHANGED.format(chosen.name))
    if protocol:
        assert not isinstance(model, Exported)
        found = _by_protocol(model, protocol, chosen.images, images, world)
    elif isinstance(model, Model):
        found = _by_torch(model, images, world)
    else:
        found = _by_engine(model, images, world)
    return ModelEvaluation(
        found.scores,
        found.labels,
        found.temperature,
        classes=model.classes,
        names=images.names,
        split=NEW if chosen.split == ALL and count else chosen.split,
        known=count,
        unknown=unknown,
        skipped=images.skipped,
    )


def _by_torch(model: Model, images: Feed, world: World) -> Evaluation:
    device = best_device()
    batches = images.batches(model.preprocessing, evaluation_batch(images.shape[:2], device), device=device)
    return evaluate_together(model.network.to(device), batches, world, model.views, model.temperature)


def _by_engine(model: Exported | Ensemble, images: Feed, world: World) -> Evaluation:
    """The logarithms of an engine's or an ensemble's probabilities: scores at a temperature of 1.

    Batches are normalised by a mean of 0 and a standard deviation of 1/255: they are pixels again.
    """
    depth = model.preprocessing.depth
    plain = replace(model.preprocessing, mean=(0.0,) * depth, std=(1 / 255,) * depth)
    scores, labels, count = [], [], len(images)
    own = world.part(torch.arange(count))
    for batch, truth in images.batches(plain, ENGINE_BATCH).epoch(0, among=own):
        pixels = batch.permute(0, 2, 3, 1).round().to(torch.uint8).contiguous().numpy()
        scores.append(_log(torch.from_numpy(np.asarray(model.probabilities_of(pixels)))))
        labels.append(truth)
    return Evaluation(world.whole(torch.cat(scores), count), world.whole(torch.cat(labels), count))


def _of_whole_images(
    model: Model | Ensemble | Exported, chosen: SplitImages, on_bad: OnBad
) -> ModelEvaluation:
    """The evaluation of a graph that resizes: of images as large as they are, of which few are in memory."""
    found = np.empty((len(chosen.images), len(model.classes)), np.float32)

    def take(place: int, pixels: Bytes) -> None:
        found[place] = np.asarray(model.probabilities_of(pixels[None]))[0]

    bad = read_all(chosen.images, model.preprocessing, take)
    if bad and (on_bad == "stop" or len(bad) == len(found)):
        raise UnusableError(list(bad.values()), len(found))
    found = np.delete(found, list(bad), 0)
    images = without_bad(chosen.images, np.empty((len(found), 0, 0, 0), np.uint8), bad)
    images = images.relabelled(chosen.classes, model.classes)
    return ModelEvaluation(
        _log(torch.from_numpy(found)),
        torch.from_numpy(images.labels),
        classes=model.classes,
        names=images.names,
        split=chosen.split,
        known=None,
        unknown=NO_MARKS,
        skipped=images.skipped,
    )


def _by_protocol(
    model: Model | Ensemble, protocol: str, images: Images, measured: Feed, world: World
) -> Evaluation:
    """The logarithms of the mean probabilities of the views of each image that is measured."""
    members = model.members if isinstance(model, Ensemble) else (model,)
    testers = [Tester(member, protocol, best_device()) for member in members]
    names = set(measured.names)
    places = torch.tensor([at for at in range(len(images)) if images.name(at) in names])
    scores = [
        _log(torch.stack([each.probabilities(images.image(at)) for each in testers]).mean(0))
        for at in world.part(places).tolist()
    ]
    labels = torch.from_numpy(measured.labels)
    return Evaluation(world.whole(torch.stack(scores), len(labels)), labels)


def _log(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities.clamp(min=torch.finfo(torch.float32).tiny).log()
