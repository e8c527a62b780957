"""What to train when nobody says: the network, and the size it sees images in, for data and time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hubel import zoo
from hubel.data.dataset import DataSet
from hubel.device import best_device, now, use_allowed_cores, warm_up
from hubel.errors import NetworkError
from hubel.model.header import BEST
from hubel.model.open import open_model
from hubel.module.network import build
from hubel.net.algebra import Net
from hubel.net.head import with_classes
from hubel.net.ledger import ledger
from hubel.net.volume import Volume
from hubel.training.run.finetune import best_at_hand, is_of_photos
from hubel.training.settings.config import AUTO, NONE, Config
from hubel.training.settings.recipe import Recipe
from hubel.training.settings.recipes import RECIPES, recipe
from hubel.training.settings.toml import changed
from hubel.training.step.cuda_graph import Recorded, clear_gradients
from hubel.training.step.loss import loss_of
from hubel.training.step.memory import keep_memory, on_trial, tried
from hubel.training.step.optimizer import OPTIMIZERS
from hubel.training.step.precision import emulates_bfloat16, fastest

FAST = (
    ("fast_tiny", "fast_short", 0.0),
    ("fast_small", "fast_short", 1.2),
    ("fast", "fast_short", 4.5),
    ("fast_deep", "fast_short", 4.0),
    ("fast_deep", "fast_long", 9.0),
    ("fast_large", "fast_long", 15.0),
)
"""hubel's own networks, their recipes, and from how many epochs on each is taken to beat the one before.

Those of `fast_deep` and `fast_large` lie between and beyond what was measured (benchmarks/README.md).
"""

USUAL = "fast"
"""The one that is trained where no time is given, and its recipe then."""

SIDES = (64, 96, 128, 160, 224)
"""The sides at which large images may be seen."""

FINETUNE_SIDES = (128, 160, 192)
"""The sides below its own at which a trained network may see images."""

FEW = 7_000
"""Of fewer images than these a larger network needs as much of training as of so many: more epochs."""

LARGER = 3.0
"""The fewest epochs in which seeing images larger is worth its price."""

SMALL = 28
"""The least side at which small images are seen; smaller ones are enlarged to 32."""

HELD_OUT = 2000
"""The most images held out by default: enough to tell accuracies two percent apart."""

MEASURING = 0.1
"""The share of the time that may go into measuring candidates."""

HOPE = 2.0
"""How many times as fast as its multiply-adds say a larger network may turn out to be."""

TRAINING = 0.85
"""The share of the time that is reckoned to be left for steps."""

TRIED = 64
"""How many images a step has by which a candidate is measured on a CPU."""

PASSES = 5
"""How many steps measuring a candidate takes, its optimizer's and the building of it reckoned in."""

TRYING = 15
"""How many more it takes where two precisions are tried, reckoned in steps of the faster."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that might be trained; `epochs` are the fewest in which it is worth its price.

    `by` is the name of its recipe, or its file. `precision` is what its steps are computed in, `auto` for
    the fastest.
    """

    name: str
    net: Net
    volume: Volume
    recipe: Recipe
    epochs: float = 0.0
    by: str = ""
    precision: str = AUTO

    @property
    def macs(self) -> int:
        """Multiply-adds of one image forwards."""
        return ledger(self.net, self.volume).totals.macs


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to train: `start` is the model to start from, empty for none, `none_at_hand` where one was due.

    `images_per_second` is what the candidate was measured at and `epochs` how often it would see every
    image, both 0 where it was not chosen by time.
    """

    candidate: Candidate
    start: str = ""
    none_at_hand: bool = False
    images_per_second: float = 0.0
    epochs: float = 0.0


def share_held_out(images: int) -> float:
    """The share of so many images to hold out: a fifth, of many less."""
    return min(0.2, HELD_OUT / images)


def choose(
    data: DataSet,
    *,
    network: tuple[str, Net, Volume] | None = None,
    volume: Volume | None = None,
    recipe_name: str | None = None,
    start: str = AUTO,
    seconds: float = 0.0,
    settings: Mapping[str, Any] | None = None,
) -> Chosen:
    """What to train on a set: what was asked for, and where nothing was, what suits data and time.

    `start` is the model to start from: a file, a name, `none`, or `auto`, which for photographs is the
    best at hand unless a `network` is asked for. `seconds` is the time there is, 0 where epochs count.
    `settings` of a config, by name, come before those of the recipe.

    Raises UsageError, ModelError: no such recipe, setting or model. Raises NetworkError: the model has no
    head.
    """
    due = start == AUTO and network is None and recipe_name in (None, "finetune") and is_of_photos(data)
    if start == AUTO:
        start = (best_at_hand() if due else None) or NONE
    own = FAST if seconds else ((USUAL, USUAL, 0.0),)
    if network is None and start == NONE:
        candidates = _own(data, own, volume)
    else:
        known = _of_model(start, data) if network is None else [_asked(*network, start)]
        candidates = known if volume is None else [replace(known[-1], volume=volume)]
    if recipe_name is not None and (recipe_name != "finetune" or start == NONE):
        candidates = [replace(each, recipe=recipe(recipe_name), by=recipe_name) for each in candidates]
    if recipe_name is None or recipe_name in RECIPES:  # one of a file is taken as it is written
        candidates = [_fitted(each, data) for each in candidates]
    candidates = [_set(each, settings or {}) for each in candidates]
    if len(candidates) > 1 and seconds:
        chosen = in_time(candidates, len(data.train), seconds)
    else:
        chosen = Chosen(next((each for each in candidates if each.name == USUAL), candidates[-1]))
    return replace(chosen, start="" if start == NONE else start, none_at_hand=due and start == NONE)


def in_time(candidates: Sequence[Candidate], images: int, seconds: float) -> Chosen:
    """The most expensive candidate that still sees so many images often enough in the time.

    Candidates come the cheapest first. Each is measured that is not bound to be too slow, and while
    measuring keeps to its share of the time; one that differs from the last in its recipe alone is as fast.
    """
    device = best_device()
    warm_up(device)
    began = time.perf_counter()
    passes = PASSES if emulates_bfloat16(device) else PASSES + TRYING
    best = last = _measured(candidates[0], images, seconds)
    for candidate in candidates[1:]:
        times = candidate.macs / last.candidate.macs
        if last.epochs * HOPE < candidate.epochs * times:
            continue
        if (candidate.net, candidate.volume) == (last.candidate.net, last.candidate.volume):
            last = replace(last, candidate=candidate)
        else:
            count = on_trial(candidate.recipe.batch, TRIED, device)
            measuring = times * passes * count / last.images_per_second
            if time.perf_counter() - began + measuring > MEASURING * seconds:
                continue
            last = _measured(candidate, images, seconds)
        if last.epochs >= candidate.epochs:
            best = last
    return best


def _measured(candidate: Candidate, images: int, seconds: float) -> Chosen:
    """A candidate, and how often it would see so many images in the time."""
    speed = images_per_second(candidate)
    return Chosen(candidate, images_per_second=speed, epochs=speed * seconds * TRAINING / images)


def images_per_second(candidate: Candidate) -> float:
    """How many images a second a candidate trains on, measured on noise on this machine, now."""
    keep_memory()
    use_allowed_cores()
    device = best_device()
    return tried(
        candidate.recipe.batch, TRIED, device, lambda count: _speed_in_steps(candidate, count, device)
    )


def _speed_in_steps(candidate: Candidate, count: int, device: torch.device) -> float:
    """The same, by steps of so many images."""
    volume = candidate.volume
    network = build(candidate.net, volume, init=candidate.recipe.init, scores=True).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.randn(count, volume.depth, *volume.plane, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(count, device=device) % network.output.depth
    optimizers = OPTIMIZERS[candidate.recipe.optimizer](network, candidate.recipe)
    precision = candidate.precision
    if precision == AUTO or emulates_bfloat16(device):
        precision = fastest(network, lambda trial, kind: loss_of(trial, images, labels, precision=kind)[0])

    def backward() -> tuple[()]:
        loss_of(network, images, labels, precision=precision)[0].backward()  # type: ignore[no-untyped-call]
        return ()

    def move() -> tuple[()]:
        for optimizer in optimizers:
            optimizer.step()
        return ()

    passes, moves = Recorded(backward, device), Recorded(move, device)
    passing, moving = [], []
    for _ in range(3):
        clear_gradients(network)
        began = now(device)
        passes()
        between = now(device)
        moves()
        passing.append(between - began)
        moving.append(now(device) - between)
    return candidate.recipe.batch / (min(passing) * candidate.recipe.batch / count + min(moving))


def _asked(name: str, net: Net, volume: Volume, start: str) -> Candidate:
    """The network asked for, with its usual recipe. Raises ModelError: there is no model to start from."""
    if start != NONE:
        open_model(start)
    known = {each: usual for each, usual, _ in reversed(FAST)} | {USUAL: USUAL}
    usual = "finetune" if start != NONE else known.get(name.partition("(")[0].strip(), "standard")
    return Candidate(name, net, volume, RECIPES[usual], by=usual)


def _own(data: DataSet, own: tuple[tuple[str, str, float], ...], volume: Volume | None) -> list[Candidate]:
    """The networks of `own` that might be trained, the cheapest first, at a volume or all that suit a set.

    The first of them sees images at the smallest size alone: larger ones are for a larger network.
    """
    shorter = min(data.size)
    sides = [side for side in SIDES if side <= shorter] or [shorter if shorter >= SMALL else 32]
    volumes = [Volume(side, side, data.depth) for side in sides] if volume is None else [volume]
    few = max(1.0, FEW / len(data.train))
    found = []
    for number, (name, usual, epochs) in enumerate(own):
        for seen in volumes if number else volumes[:1]:
            net = zoo.ZOO[name].make(classes=len(data.classes), depth=seen.depth, side=min(seen.plane))
            worth = epochs if seen == volumes[0] else max(epochs, LARGER)
            found.append(Candidate(name, net, seen, RECIPES[usual], worth * few, usual))
    return sorted(found, key=lambda candidate: candidate.macs)


def _of_model(start: str, data: DataSet) -> list[Candidate]:
    """A trained model with a head for a set's classes, at its own size and below, the cheapest first."""
    model = open_model(start)
    own = model.network
    name = Path(start).stem if Path(start).name != BEST else Path(start).resolve().parent.name
    net = with_classes(own.net, len(data.classes))
    height, width = own.volume.plane
    sides = [side for side in FINETUNE_SIDES if side < min(height, width)]
    volumes = [Volume(side, side, own.volume.depth) for side in sides]
    volumes = [volume for volume in volumes if _has_the_same(net, volume, own.volume)]
    usual = replace(RECIPES["finetune"], views=model.views)
    return [Candidate(name, net, volume, usual, LARGER, "finetune") for volume in (*volumes, own.volume)]


def _has_the_same(net: Net, volume: Volume, own: Volume) -> bool:
    """Whether a network has as many parameters on a volume as on its own, so that its weights fit."""
    try:
        return ledger(net, volume).totals.params == ledger(net, own).totals.params
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
