"""The problems of a run: each symptom as a sentence with its remedy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubel.data.check import MENTIONED
from hubel.data.feed.source import Source
from hubel.evaluation.metrics import Evaluation
from hubel.training.events import RoundDone
from hubel.training.step.probes import dead_maps
from hubel.training.trainer import Trainer

if TYPE_CHECKING:
    from hubel.data.arrays import Labels

STUCK = 0.01
"""A loss is stuck if it is within this share of the loss of guessing."""

WILD = 1.5
"""The factor of a wild validation loss: its least ratio to guessing's, and the largest of its accuracy."""

ENOUGH = 100
"""The number of steps from which a stuck loss is blamed on the learning rate, not on too few steps."""

HALF = 0.5
"""The progress from which classes that are never predicted and dead maps are worth a warning."""

DEAD = 0.5
"""The share of dead maps in a layer that is worth a warning; healthy layers reach a fifth."""

WAITED = 0.2
"""The share of the time spent waiting for images that is worth a warning."""

SHORT = 1.0
"""The fewest seconds of waiting that are worth a warning: every epoch waits for its first batch."""

DUPLICATES = 0.01
"""The share of validation images that are also training images that is worth a warning."""

MOST_NAMED = 5
"""How many classes or layers a sentence names."""


@dataclass(slots=True)
class Diagnosis:
    """The symptoms of a run, each reported once; those that may be temporary, in its second half."""

    classes: Sequence[str]
    _reported: set[str] = field(default_factory=set)

    def of(self, event: RoundDone, trainer: Trainer, val: Source) -> list[str]:
        """The warnings of a round that were not given before."""
        found = self._found(event, trainer, val)
        new = {kind: text for kind, text in found.items() if text and kind not in self._reported}
        self._reported |= set(new)
        return list(new.values())

    def _found(self, event: RoundDone, trainer: Trainer, val: Source) -> dict[str, str | None]:
        heads = 1 + sum(trainer.network.side_weights.values())
        found = {"waiting": waiting(event.waited, event.seconds)}
        steps = trainer.epoch * trainer.batches + trainer.batch  # at least, where the first epoch has more
        if event.epoch >= 1 and (steps >= ENOUGH or event.progress == 1):
            found["stuck"] = stuck(event.train_loss, event.val.loss, len(self.classes), steps, heads)
        found["wild"] = wild(event.val) if event.progress >= HALF and event.epoch >= 1 else None
        if event.progress >= HALF and not found["wild"] and not {"never predicted", "dead"} <= self._reported:
            found["never predicted"] = never_predicted(event.val, self.classes)
            found["dead"] = dying(dead_maps(trainer.model, val.first()[0]))
        return found


def stuck(train_loss: float, val_loss: float, classes: int, steps: int, heads: float = 1.0) -> str | None:
    """A training loss that is, after `steps`, within 1 % of ln(classes): that of equal probabilities.

    `heads` is the sum of the weights of all heads, whose losses are added up. There is no warning if the
    validation loss is better: the training loss of the hardest images is high.
    """
    guessing, each = math.log(classes), train_loss / heads
    if val_loss < (1 - STUCK) * guessing or not abs(each - guessing) <= STUCK * guessing:
        return None
    advice = "there were few steps: take more epochs, or a smaller --batch"
    if steps >= ENOUGH:
        advice = (
            "try a tenth of the learning rate, then ten times it, and check with `hubel data check` that the "
            "images are in the folders of their classes"
        )
    of_heads = f" / {heads:g} for the side heads = {each:.4f}" if heads > 1 else ""
    return (
        f"the training loss, {train_loss:.4f}{of_heads}, is still that of guessing, "
        f"ln({classes}) = {guessing:.4f}: "
        f"nothing is learned; {advice}"
    )


def wild(evaluation: Evaluation) -> str | None:
    """A validation loss far above that of guessing, with an accuracy like that of guessing."""
    classes = len(evaluation.support)
    if evaluation.loss < WILD * math.log(classes) or evaluation.top1 > WILD / classes:
        return None
    return (
        f"the validation loss, {evaluation.loss:.4g}, is far above that of guessing, "
        f"{math.log(classes):.4g}: the learning rate is probably too high; try a tenth of it"
    )


def never_predicted(evaluation: Evaluation, classes: Sequence[str]) -> str | None:
    """Classes that have validation images but are never predicted."""
    predicted = evaluation.confusion.sum(0)
    never = [
        name
        for name, images, times in zip(classes, evaluation.support, predicted, strict=True)
        if images > 0 and times == 0
    ]
    if not never:
        return None
    return (
        f"no validation image is predicted as {_listed(never)}; more images of {_them(never)}, more epochs "
        "or --balance loss may help"
    )


def not_held_out(labels: Labels, classes: Sequence[str]) -> str | None:
    """Classes without a validation image; `labels` are those of the validation images: int64, n."""
    missing = [name for place, name in enumerate(classes) if place not in labels]
    if not missing:
        return None
    return (
        f"no validation image shows {_listed(missing)}, so nothing measures the accuracy on {_them(missing)}"
    )


def imbalanced(labels: Labels, classes: Sequence[str]) -> str | None:
    """A class with three times as many training images as another or more; `labels`: int64, n."""
    counts = Counter(labels.tolist()).most_common()
    (most, large), (least, small) = counts[0], counts[-1]
    if large < MENTIONED * small:
        return None
    return (
        f"{classes[most]} has {large:,} training images and {classes[least]} {small:,}; where the rare class "
        "matters as much, --balance loss or --balance sampler helps, or more images of it"
    )


def in_both(train: Sequence[bytes], validation: Sequence[bytes]) -> str | None:
    """Validation images that are duplicates of training images, by their marks, if they are 1 % or more."""
    seen = set(train)
    duplicates = sum(mark in seen for mark in validation)
    if not duplicates or duplicates < DUPLICATES * len(validation):
        return None
    return (
        f"{duplicates:,} of the {len(validation):,} validation images are also training images, so "
        "results look better than they are; `hubel data check` lists duplicates"
    )


def unseen(epochs: float) -> str | None:
    """A timed run that ended within its first epoch."""
    if epochs >= 1:
        return None
    return (
        f"the time ended within the first epoch: {1 - epochs:.0%} of the images were never seen; give more "
        "time, take a smaller network, or a smaller --input"
    )


def waiting(share: float, seconds: float) -> str | None:
    """Waiting for images for at least a fifth of the run, and at least a second."""
    if share < WAITED or share * seconds < SHORT:
        return None
    return (
        "steps wait for images for a fifth of the time or more: decoding and augmentation are slow for this "
        "network; less augmentation or a smaller input shortens that"
    )


def dying(dead: Mapping[str, float]) -> str | None:
    """Layers with half of their maps or more dead; `dead` is what `dead_maps` returns."""
    layers = [f"{100 * share:.0f} % of {path}" for path, share in dead.items() if share >= DEAD]
    if not layers:
        return None
    return (
        f"dead maps: {_listed(layers)} is 0 for every image and can no longer learn; try a lower learning "
        "rate, or add a batchnorm before the relu if there is none"
    )


def _listed(names: Sequence[str]) -> str:
    """The first few of many names."""
    shown = ", ".join(names[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else shown


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
