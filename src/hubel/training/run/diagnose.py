"""Symptoms: what tells that a training goes wrong, each with what to do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hubel.evaluation.metrics import Evaluation
from hubel.instruments.subject import Subject
from hubel.module.network import Network
from hubel.net.layers import Relu

if TYPE_CHECKING:
    from hubel.data.arrays import Labels

STUCK = 0.01
"""How near the loss of guessing, as a share of it, a loss is to be called stuck."""

WILD = 1.5
"""What is wild: a loss of so many times that of guessing or more, at most so many times its right ones."""

ENOUGH = 100
"""From how many steps on the learning rate is to blame for a stuck loss, and not that they are few."""

DEAD = 0.5
"""The share of a layer's maps that say nothing that is worth a word; healthy layers reach a fifth."""

WAITED = 0.1
"""The share of its time from which a step that waits for images is worth a word."""

SHORT = 1.0
"""The seconds waited below which it is not: every epoch waits for its first batch."""

TWICE = 0.01
"""The share of the held-out images that are trained on from which that is worth a word."""

MOST_NAMED = 5
"""How many classes or layers a sentence names."""


def stuck(train_loss: float, val_loss: float, classes: int, steps: int) -> str | None:
    """A loss after `steps` within 1 % of ln(classes), that of giving every class the same probability.

    Held-out images that are judged better speak against it: of the hardest alone the training loss is high.
    """
    guessing = math.log(classes)
    if val_loss < (1 - STUCK) * guessing or not abs(train_loss - guessing) <= STUCK * guessing:
        return None
    advice = "steps were few: take more epochs, or a smaller --batch"
    if steps >= ENOUGH:
        advice = (
            "try a tenth of the learning rate, then ten times it, and see with `hubel data check` that "
            "images are in the folders of their classes"
        )
    return (
        f"the training loss, {train_loss:.4f}, is still that of guessing, ln({classes}) = {guessing:.4f}: "
        f"nothing is learned; {advice}"
    )


def wild(evaluation: Evaluation) -> str | None:
    """Held-out images judged far worse than by guessing, in loss and in what is right."""
    classes = len(evaluation.support)
    if evaluation.loss < WILD * math.log(classes) or evaluation.top1 > WILD / classes:
        return None
    return (
        f"the held-out loss, {evaluation.loss:.4g}, is far above that of guessing, {math.log(classes):.4g}: "
        "the learning rate is probably too high; try a tenth of it"
    )


def never_named(evaluation: Evaluation, classes: Sequence[str]) -> str | None:
    """Classes that have held-out images and are no image's prediction."""
    named = evaluation.confusion.sum(0)
    never = [
        name
        for name, images, times in zip(classes, evaluation.support, named, strict=True)
        if images > 0 and times == 0
    ]
    if not never:
        return None
    return (
        f"no held-out image is taken for {_listed(never)}: more images of {_them(never)}, more epochs "
        "or --balance loss may help"
    )


def not_held_out(labels: Labels, classes: Sequence[str]) -> str | None:
    """Classes of which no image is held out; `labels` are those of the held-out images: int64, n."""
    missing = [name for place, name in enumerate(classes) if place not in labels]
    if not missing:
        return None
    return f"no image of {_listed(missing)} is held out, so that nothing measures how well it is told"


def in_both(train: Sequence[bytes], held_out: Sequence[bytes]) -> str | None:
    """A hundredth of the held-out images or more, by their marks, that are also among those to train."""
    seen = set(train)
    twice = sum(mark in seen for mark in held_out)
    if not twice or twice < TWICE * len(held_out):
        return None
    return (
        f"{twice:,} of the {len(held_out):,} held-out images are also among those to train, so that "
        "results are too good; `hubel data check` names images that are there twice"
    )


def unseen(epochs: float) -> str | None:
    """A run by the clock that ended within its first epoch."""
    if epochs >= 1:
        return None
    return (
        f"the time was over before all images were seen, {1 - epochs:.0%} of them never; give more time, "
        "take a smaller network, or see images smaller with --input"
    )


def waiting(share: float, seconds: float) -> str | None:
    """Steps that waited for images a share of a run of so many seconds: a tenth or more, and a second."""
    if share < WAITED or share * seconds < SHORT:
        return None
    return (
        "steps wait for images: the network is faster than decoding and augmenting; fewer augmentations, a "
        "larger network or a smaller input would balance them"
    )


@torch.no_grad()
def dead_maps(network: Network, images: Tensor) -> dict[str, float]:
    """The share of each rectifier's maps that are 0 at every place of every image, by path.

    Images: n x depth x height x width, as the network sees them; some hundreds tell.
    """
    subject = Subject.of(network)
    dead: dict[str, float] = {}

    def look(path: str, value: Tensor) -> Tensor:
        dead[path] = (value == 0).all(3).all(2).all(0).double().mean().item()
        return value

    subject.run(images.float(), look, [step.path for step in subject.steps if isinstance(step.layer, Relu)])
    return dead


def dying(dead: Mapping[str, float]) -> str | None:
    """Layers of which half of the maps or more are dead; `dead` is of `dead_maps`."""
    layers = [f"{100 * share:.0f} % of {path}" for path, share in dead.items() if share >= DEAD]
    if not layers:
        return None
    return (
        f"dead: {_listed(layers)} is 0 for every image, and what is 0 for all learns nothing more; "
        "try a lower learning rate; where there is no batchnorm before the relu, one helps"
    )


@torch.no_grad()
def first_non_finite(network: Network, images: Tensor) -> str | None:
    """The path of the first layer from which an infinity or NaN comes, or of the number in it that is one.

    A path such as `conv2`, or `conv2.weight` where the layer's own numbers are not finite; None where all
    is finite in evaluation mode. Images: as `dead_maps`.
    """
    subject = Subject.of(network)
    broken = [name for name, value in network.state_dict().items() if not value.isfinite().all()]
    found: list[str] = []

    def look(path: str, value: Tensor) -> Tensor:
        if not value.isfinite().all():
            found.append(path)
        return value

    subject.run(images.float(), look, [step.path for step in subject.steps])
    own = [name for name in broken if not found or name.startswith(f"{found[0]}.")]
    return next(iter([*own, *found]), None)


def _listed(names: Sequence[str]) -> str:
    """Names in a row, the first few of many."""
    shown = ", ".join(names[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else shown


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
