"""Chooses the network, input size and recipe where the user does not."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hubel.data.dataset import DataSet
from hubel.device import best_device, warm_up
from hubel.errors import NetworkError
from hubel.model.header import BEST
from hubel.module.own import OwnNetwork
from hubel.net.algebra import Net
from hubel.net.head import with_classes
from hubel.net.ledger import costs_of
from hubel.net.trace import trace
from hubel.net.volume import Volume
from hubel.training.run.finetune import early_parts, is_of_photos, pretrained_installed, starting_model
from hubel.training.run.speed import TRIED, training_speed
from hubel.training.settings.config import AUTO, NONE, Config
from hubel.training.settings.recipe import Recipe
from hubel.training.settings.recipes import RECIPES, recipe_named
from hubel.training.settings.toml import changed
from hubel.training.step.memory import on_trial
from hubel.training.step.precision import emulates_bfloat16
from hubel.zoo.registry import ZOO

FAST = (
    ("fast_tiny", "fast_short", 0.0),
    ("fast_mini", "fast_short", 3.0),
    ("fast_small", "fast_short", 1.7),
    ("fast", "fast_short", 4.5),
    ("fast_deep", "fast_short", 4.0),
    ("fast_deep", "fast_long", 9.0),
    ("fast_large", "fast_long", 15.0),
)
"""hubel's own networks, their recipes, and the number of epochs from which each beats the one before.

Those of all but `fast` and the first are inter- or extrapolated (benchmarks/README.md).
"""

USUAL = "fast"
"""The network that is trained if no time is given, and the name of its recipe."""

SIDES = (64, 96, 128, 160, 224)
"""The sides, in pixels, to which large images may be reduced."""

FINETUNE_SIDES = (128, 160, 192)
"""The sides, in pixels, at which a pretrained network may learn instead of its own, if they are smaller."""

GROWN = 0.9
"""The share of a run after which images that a pretrained network sees smaller at first have its own size."""

HEAD = 1.2
"""The fewest epochs in whose time a head is trained alone, with two validations, at the same size.

That is a forward pass, a third of a step, over all images and twice over the validation images: 0.5 epochs.
"""

FEW = 7_000
"""A smaller set counts as one of this many images: there a larger network needs more epochs to pay off."""

LARGER = 3.0
"""The fewest epochs in which larger images pay off."""

GAINED = 1.6
"""How many times `HEAD` and `LARGER` a network has as epochs in the same time if its early parts stay."""

WHOLE = 10.0
"""The fewest epochs in which a pretrained network learns as a whole: extrapolated (benchmarks/README.md)."""

SMALL = 28
"""Images with a smaller side, in pixels, are enlarged to 32."""

VALIDATION = 2000
"""The most images held out by default: enough to distinguish accuracies that differ by two points."""

MEASURING = 0.1
"""The largest share of the time that may go into measuring candidates."""

MOST_SPEED_UP = 2.0
"""A larger network may be faster than its multiply-adds suggest, by at most this factor."""

TRAINING = 0.85
"""The share of the time that is expected to remain for steps."""

PARTS = 50
"""Into how many parts a run is divided to add up its work."""

PASSES = 5
"""The time to measure a candidate, in its steps; this includes building it and its optimizer."""

TRYING = 15
"""The additional time to compare two precisions, in steps of the faster one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that might be trained.

    `epochs`: the number from which it pays off. `by`: the name of its recipe, or the recipe's file.
    `precision`: that of its steps; `auto` is the fastest. `freeze`: the parts that stay as they are.
    """

    name: str
    net: Net | OwnNetwork
    volume: Volume
    recipe: Recipe
    epochs: float = 0.0
    by: str = ""
    precision: str = AUTO
    freeze: tuple[str, ...] = ()

    @property
    def value(self) -> Net:
        """The network as a value: a module of the user's own is never compared with others."""
        assert isinstance(self.net, Net), "only hubel's own networks are compared"
        return self.net

    @property
    def macs(self) -> int:
        """The multiply-adds of a forward pass of one image."""
        return costs_of(trace(self.value, self.volume)).macs


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to train: `start` is the starting model, empty for none.

    `none_installed` says that a pretrained model would have been used, but none is installed.
    `images_per_second` is the measured speed of the candidate, `epochs` the number that it will train for;
    both are 0 if it was not chosen by time.
    """

    candidate: Candidate
    start: str = ""
    none_installed: bool = False
    images_per_second: float = 0.0
    epochs: float = 0.0

    @property
    def early_stay(self) -> bool:
        """Whether its early parts do not learn, to save time."""
        return bool(self.candidate.freeze)


def validation_share(images: int) -> float:
    """The share of a set to hold out for validation: a fifth; less of a large set."""
    return min(0.2, VALIDATION / images)


def choose(
    data: DataSet,
    *,
    network: tuple[str, Net | OwnNetwork, Volume] | None = None,
    volume: Volume | None = None,
    recipe: str | Recipe | None = None,
    start: str = AUTO,
    seconds: float = 0.0,
    settings: Mapping[str, Any] | None = None,
    processes: int = 1,
) -> Chosen:
    """What to train on a set: what was asked for, and otherwise what suits the data and the time.

    `start` is the starting model: a file, a name, `none`, or `auto`. For photographs `auto` is the best
    installed pretrained model, unless a `network` is asked for. `seconds` is the time limit, 0 if epochs
    are counted. `settings` of a config, by name, take precedence over the recipe's. So many `processes` share
    the images.

    Raises UsageError, ModelError: no such recipe, setting or model. Raises NetworkError: the model has no
    head.
    """
    due = start == AUTO and network is None and recipe in (None, "finetune") and is_of_photos(data)
    if start == AUTO:
        start = (pretrained_installed() if due else None) or NONE
    own = FAST if seconds else ((USUAL, USUAL, 0.0),)
    stay = seconds > 0 and "freeze" not in (settings or {}) and recipe in (None, "finetune")
    if network is not None:
        asked = _asked(*network, start)
        candidates = [asked if volume is None else replace(asked, volume=volume)]
    elif start == NONE:
        candidates = _own(data, own, volume)
    else:
        candidates = _of_model(start, data, volume, early_stay=stay and is_of_photos(data))
    if recipe is not None and (recipe != "finetune" or start == NONE):
        found = recipe if isinstance(recipe, Recipe) else recipe_named(recipe)
        by = "of your own" if isinstance(recipe, Recipe) else recipe
        candidates = [replace(each, recipe=found, by=by) for each in candidates]
    if recipe is None or recipe in RECIPES:  # one from a file or from Python is taken as it is written
        candidates = [_fitted(each, data) for each in candidates]
    candidates = [_set(each, settings or {}) for each in candidates]
    if len(candidates) > 1 and seconds:
        chosen = in_time(candidates, -(-len(data.train) // processes), seconds)
    else:
        chosen = Chosen(candidates[-1])
    return replace(chosen, start="" if start == NONE else start, none_installed=due and start == NONE)


def in_time(candidates: Sequence[Candidate], images: int, seconds: float) -> Chosen:
    """The most expensive candidate that trains for enough epochs of this many images in the time.

    Candidates are ordered by cost, the cheapest first. Each is measured, unless it is certain to be too slow,
    or measuring would exceed its share of the time. The network of the candidate before, at another size or
    by another recipe, has the speed that its multiply-adds suggest.
    """
    device = best_device()
    warm_up(device)
    began = time.perf_counter()
    passes = PASSES if device.type == "cpu" or emulates_bfloat16(device) else PASSES + TRYING
    best = last = _measured(candidates[0], images, seconds)
    for candidate in candidates[1:]:
        times = candidate.macs / last.candidate.macs
        if (candidate.net, candidate.freeze) == (last.candidate.net, last.candidate.freeze):
            speed, epochs = last.images_per_second / times, last.epochs / times
            last = Chosen(candidate, images_per_second=speed, epochs=epochs)
        elif last.epochs * _speed_up(candidate, last.candidate) < candidate.epochs * times:
            continue
        else:
            count = on_trial(candidate.recipe.batch, TRIED, device)
            measuring = times * passes * count / last.images_per_second
            if time.perf_counter() - began + measuring > MEASURING * seconds:
                continue
            last = _measured(candidate, images, seconds)
        if last.epochs >= candidate.epochs:
            best = last
    return best


def _speed_up(candidate: Candidate, before: Candidate) -> float:
    """How many times faster than by its multiply-adds a candidate may be; not one that only learns more."""
    return 1.0 if candidate.net == before.net else MOST_SPEED_UP


def _measured(candidate: Candidate, images: int, seconds: float) -> Chosen:
    """A candidate, and the number of epochs of this many images that it would train for in the time."""
    speed = images_per_second(candidate)
    return Chosen(candidate, images_per_second=speed, epochs=speed * seconds * TRAINING / images)


def images_per_second(candidate: Candidate) -> float:
    """How many images per second a candidate trains on, measured on this machine, now."""
    net, volume, recipe = candidate.value, candidate.volume, candidate.recipe
    return training_speed(net, volume, recipe, candidate.precision, candidate.freeze)


def _asked(name: str, net: Net | OwnNetwork, volume: Volume, start: str) -> Candidate:
    """The network asked for, with its usual recipe. Raises ModelError: there is no such starting model."""
    if start != NONE:
        starting_model(start)
    known = {each: usual for each, usual, _ in reversed(FAST)} | {USUAL: USUAL}
    usual = "finetune" if start != NONE else known.get(name.partition("(")[0].strip(), "standard")
    return Candidate(name, net, volume, RECIPES[usual], by=usual)


def _own(data: DataSet, own: tuple[tuple[str, str, float], ...], volume: Volume | None) -> list[Candidate]:
    """The networks of `own`, the cheapest first, for a given volume or for all that suit the set.

    The first network is offered for the smallest volume only: larger images are for larger networks.
    """
    shorter = min(data.size)
    sides = [side for side in SIDES if side <= shorter] or [shorter if shorter >= SMALL else 32]
    volumes = [Volume(side, side, data.depth) for side in sides] if volume is None else [volume]
    few = max(1.0, FEW / len(data.train))
    found = []
    for number, (name, usual, epochs) in enumerate(own):
        for seen in volumes if number else volumes[:1]:
            net = ZOO[name].make(classes=len(data.classes), depth=seen.depth, side=min(seen.plane))
            worth = epochs if seen == volumes[0] else max(epochs, LARGER)
            found.append(Candidate(name, net, seen, RECIPES[usual], worth * few, usual))
    return sorted(found, key=lambda candidate: candidate.macs)


def _of_model(start: str, data: DataSet, volume: Volume | None, *, early_stay: bool) -> list[Candidate]:
    """A pretrained model with a head for the set's classes, by every size that fits, the cheapest first.

    Where there is time for its head at its own size, or at the `volume` asked for, it is validated at that
    from the beginning, so that no result is below the head's; the images that it learns from may be smaller,
    and grow. Where there is not, its own size is smaller. With `early_stay` its early parts stay as they are,
    but for a last candidate that learns as a whole.
    """
    model = starting_model(start)
    own = model.network
    name = Path(start).stem if Path(start).name != BEST else Path(start).resolve().parent.name
    net = with_classes(model.net, len(data.classes))
    seen = volume or own.volume
    whole = min(seen.plane)
    sides = [Volume(side, side, seen.depth) for side in FINETUNE_SIDES if side < whole]
    smaller = [each for each in sides if volume is None and _has_the_same(net, each, seen)]
    usual = replace(RECIPES["finetune"], views=model.views)
    early = early_parts(net, own.volume) if early_stay else ()
    gained = GAINED if early else 1.0
    growing = [replace(usual, smallest=min(each.plane) / whole, grown=GROWN) for each in smaller]
    least = [HEAD, *(max(HEAD, LARGER * _work(each, whole)) for each in growing[1:])]
    found = [
        *((each, usual, HEAD) for each in smaller),
        *((seen, recipe, epochs) for recipe, epochs in zip(growing, least, strict=False)),
        (seen, usual, LARGER),
    ]
    candidates = [
        Candidate(name, net, size, recipe, gained * epochs, "finetune", freeze=early)
        for size, recipe, epochs in found
    ]
    if early:
        candidates.append(Candidate(name, net, seen, usual, WHOLE, "finetune"))
    return candidates


def _work(recipe: Recipe, whole: int) -> float:
    """The multiply-adds of a run with images that grow, as a share of those with all of the `whole` side."""
    sides = [recipe.side(step / PARTS, whole) for step in range(PARTS)]
    return sum((side / whole) ** 2 for side in sides) / PARTS


def _has_the_same(net: Net, volume: Volume, own: Volume) -> bool:
    """Whether a network has the same number of parameters for both volumes, so that its weights fit."""
    try:
        return costs_of(trace(net, volume)).params == costs_of(trace(net, own)).params
    except NetworkError:  # too small
        return False


def _fitted(candidate: Candidate, data: DataSet) -> Candidate:
    """A candidate with its recipe fitted to a set."""
    side = min(candidate.volume.plane)
    fitted = candidate.recipe.fitted(mirror=data.mirror, side=side, images=len(data.train))
    return replace(candidate, recipe=fitted)


def _set(candidate: Candidate, settings: Mapping[str, Any]) -> Candidate:
    """A candidate with the settings asked for."""
    config = changed(Config("", "", "", recipe=candidate.recipe), settings)
    return replace(candidate, recipe=config.recipe, precision=config.precision)
