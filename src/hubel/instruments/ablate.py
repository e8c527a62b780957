"""Ablate: what a network can still tell when units are silenced, and so which units a class depends on.

A silenced map says the same at every place for every image: by default its mean over the images,
which takes away what it tells and leaves the layers behind it at the level they were trained at. Zero
is a message of its own where a map is seldom near it (before a bias, batch normalisation or a tanh),
and then the drop is partly that of a network thrown off its working point.

Source: Morcos et al. 2018, section 2 and appendix A.1 (zero and mean); Zhou et al. 2018 (by class).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from hubel.errors import UsageError, nearest
from hubel.instruments.subject import Subject, glance, quiet
from hubel.instruments.unit import Unit
from hubel.module.network import Network
from hubel.net.trace import INPUT, Step

if TYPE_CHECKING:
    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

Level: TypeAlias = Literal["mean", "zero"]
LEVELS: tuple[Level, ...] = get_args(Level)

Batches: TypeAlias = Callable[[], Iterable[tuple[Tensor, Tensor]]]
"""Gives the same batches each time: images, n x depth x height x width, and labels, int64, n."""


class Dependence(NamedTuple):
    """A class that loses `drop` of its recall when a unit is silenced; `place` is the unit's in its list."""

    place: int
    unit: Unit
    label: int
    drop: float


@dataclass(frozen=True, slots=True, eq=False)
class Ablation:
    """How many images of each class a network tells, whole and with each of `units` silenced by itself.

    A unit here is a layer, one of its maps, or one place of a map. `images`, `right`: int64, classes;
    `without`: int64, units x classes.
    """

    units: tuple[Unit, ...]
    level: Level
    images: Counts
    right: Counts
    without: Counts

    @property
    def recall(self) -> Floats:
        """The share of each class that the whole network tells: classes; NaN where it has no images."""
        return _share(self.right, self.images)

    @property
    def drops(self) -> Floats:
        """How much recall each class loses without each unit: units x classes; negative where it gains."""
        return self.recall - _share(self.without, self.images)

    @property
    def accuracy(self) -> float:
        """The share of all images that the whole network tells."""
        return float(self.right.sum() / self.images.sum())

    @property
    def accuracies(self) -> Floats:
        """The same without each unit: units."""
        return np.asarray(self.without.sum(1) / self.images.sum())

    def top(self, most: int = 10, label: int | None = None) -> list[Dependence]:
        """Which class depends on which unit most, the largest drop first; of one class where it is given."""
        drops = np.nan_to_num(self.drops, nan=-np.inf)
        if label is not None:
            drops = np.where(np.arange(drops.shape[1]) == label, drops, -np.inf)
        order = np.argsort(-drops, axis=None, kind="stable")[:most]
        found = [divmod(int(flat), drops.shape[1]) for flat in order]
        return [
            Dependence(place, self.units[place], of, float(drops[place, of]))
            for place, of in found
            if np.isfinite(drops[place, of])
        ]


@dataclass(frozen=True, slots=True)
class Onward:
    """The rest of a network behind one layer, for a batch whose values so far are kept.

    `value` is what came out of the layer: n x depth x height x width.
    """

    value: Tensor
    _run: Callable[[Tensor], Tensor]

    def scores(self, value: Tensor) -> Tensor:
        """The scores, n x classes, where `value` comes out of the layer in place of what did."""
        return self._run(value).flatten(1)


@contextmanager
def onward(subject: Subject, path: str, images: Tensor) -> Iterator[Onward]:
    """Runs a network up to a layer once, so that its rest may run again and again from other values.

    Only what the layer reaches is run again, and only what that reads is kept; other branches are not.
    A module that is none of hubel's has no known way in, and runs as a whole each time.
    Raises UsageError: no such layer, or where nothing can be put in.
    """
    subject.step(path)
    if not isinstance(subject.module, Network):
        yield Onward(glance(subject, images, [path])[path], partial(_replaced, subject, path, images))
        return
    network = subject.module
    rest = _reached(subject.steps, path)
    needed = {source for step in rest for source in step.sources} | {path}
    behind = {step.path for step in rest}
    with quiet(network):
        values = {INPUT: images}
        for step in subject.steps:
            if step.path not in behind:
                values[step.path] = _call(network, step, values)
        kept = {name: value for name, value in values.items() if name in needed}
        end = subject.steps[-1].path
        if end not in behind:
            kept[end] = values[end]
        del values

        def run(value: Tensor) -> Tensor:
            own = kept | {path: value}
            for step in rest:
                own[step.path] = _call(network, step, own)
            return own[end]

        yield Onward(kept[path], run)


@torch.no_grad()
def ablate(
    subject: Subject,
    batches: Batches,
    units: Sequence[Unit],
    classes: int,
    level: Level = "mean",
    *,
    progress: Callable[[int], None] | None = None,
) -> Ablation:
    """Silences each unit by itself and counts what the network still tells.

    `batches` is called twice for each layer at level `mean`, first for the means. `progress` is called
    with the number of images times units done.

    Raises UsageError: no units or images, no such unit, layer or level.
    """
    if level not in LEVELS:
        raise UsageError(f"there is no level {level!r}{nearest(level, LEVELS)}; choose {', '.join(LEVELS)}")
    for unit in units:
        unit.check(subject.steps)
    chosen = tuple(dict.fromkeys(units))
    if not chosen:
        raise UsageError("say which units to silence")
    without = np.zeros((len(chosen), classes), np.int64)
    done = 0
    for path in dict.fromkeys(unit.path for unit in chosen):
        places = [place for place, unit in enumerate(chosen) if unit.path == path]
        means = _means(subject, batches, path) if level == "mean" else None
        shown, right = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
        for images, labels in batches():
            with onward(subject, path, images) as rest:
                shown += np.bincount(labels.cpu().numpy(), minlength=classes)
                right += _right(rest.scores(rest.value), labels, classes)
                for place in places:
                    silent = silenced(rest.value, chosen[place], means)
                    without[place] += _right(rest.scores(silent), labels, classes)
                    done += len(labels)
                    if progress is not None:
                        progress(done)
    if not shown.sum():
        raise UsageError("there are no images to tell")
    return Ablation(chosen, level, shown, right, without)


def silenced(value: Tensor, unit: Unit, means: Tensor | None = None) -> Tensor:
    """What comes out of a layer, n x depth x height x width, with a unit silenced.

    `means`: depth x height x width, the mean at each place, of which a map takes the mean over its
    places; None is zero.
    """
    out = value.clone()
    if means is None:
        level = torch.zeros_like(value[0])
    else:
        level = means if unit.row is not None else means.mean((1, 2), keepdim=True).expand_as(means)
    channels = slice(None) if unit.channel is None else unit.channel
    at = (channels, slice(None), slice(None)) if unit.row is None else (channels, unit.row, unit.column)
    out[(slice(None), *at)] = level[at].to(out.dtype)
    return out


def _replaced(subject: Subject, path: str, images: Tensor, value: Tensor) -> Tensor:
    """The scores where a value comes out at a path."""
    return subject.run(images, lambda _path, _seen: value, [path])


def _reached(steps: Sequence[Step], path: str) -> list[Step]:
    """The steps that what comes out at a path flows to, in their order."""
    reached, rest = {path}, []
    for step in steps:
        if not reached.isdisjoint(step.sources):
            reached.add(step.path)
            rest.append(step)
    return rest


def _call(network: Network, step: Step, values: dict[str, Tensor]) -> Tensor:
    out: Tensor = network.get_submodule(step.path)(*(values[source] for source in step.sources))
    return out


def _means(subject: Subject, batches: Batches, path: str) -> Tensor:
    """The mean over all images of what comes out at a path: depth x height x width."""
    total, count = None, 0
    for images, _ in batches():
        values = glance(subject, images, [path])[path].double().sum(0)
        total = values if total is None else total + values
        count += len(images)
    if total is None:
        raise UsageError("there are no images to tell")
    return total / count


def _right(scores: Tensor, labels: Tensor, classes: int) -> Counts:
    """How many images of each class are told: int64, classes."""
    hit = labels[scores.argmax(1) == labels]
    return np.bincount(hit.cpu().numpy(), minlength=classes)


def _share(part: Counts, whole: Counts) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(part / np.where(whole > 0, whole, np.nan))
