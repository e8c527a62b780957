"""Ablate: silence units, and see which classes the network no longer recognises.

A silenced map has the same value at every position for every image. By default this is its mean over the
images: it carries no information, and later layers stay at their working point. Zero is an unusual value
for a map that is seldom near it (before a bias, batch normalisation or a tanh); then part of the drop comes
from later layers being thrown off their working point.

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
    """A class loses `drop` of its recall when a unit is silenced; `place` is the unit's index in its list."""

    place: int
    unit: Unit
    label: int
    drop: float


@dataclass(frozen=True, slots=True, eq=False)
class Ablation:
    """How many images of each class are classified correctly, with all units and without each of `units`.

    A unit here is a layer, one of its maps, or one position of a map. `images`, `correct`: int64, classes;
    `without`: int64, units x classes, correct with the unit silenced.
    """

    units: tuple[Unit, ...]
    level: Level
    images: Counts
    correct: Counts
    without: Counts

    @property
    def recall(self) -> Floats:
        """The recall of each class with all units: classes; NaN for a class without images."""
        return _share(self.correct, self.images)

    @property
    def drops(self) -> Floats:
        """How much recall each class loses without each unit: units x classes; negative where it gains."""
        return self.recall - _share(self.without, self.images)

    @property
    def accuracy(self) -> float:
        """The accuracy with all units."""
        return float(self.correct.sum() / self.images.sum())

    @property
    def accuracies(self) -> Floats:
        """The accuracy without each unit: units."""
        return np.asarray(self.without.sum(1) / self.images.sum())

    def top(self, most: int = 10, label: int | None = None) -> list[Dependence]:
        """Returns the largest drops in recall, largest first: of all classes, or of one `label`."""
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
    """The rest of a network after one layer, for a batch that has run up to there.

    `value` is the output of the layer: n x depth x height x width.
    """

    value: Tensor
    _run: Callable[[Tensor], Tensor]

    def scores(self, value: Tensor) -> Tensor:
        """Returns the scores, n x classes, with `value` in place of the layer's output."""
        return self._run(value).flatten(1)


@contextmanager
def onward(subject: Subject, path: str, images: Tensor) -> Iterator[Onward]:
    """Runs a network up to a layer once, so that the rest can run repeatedly on other values.

    Only the layers that depend on this one run again, and only their inputs are kept. A module that was not
    built by hubel cannot be entered in the middle, and runs as a whole each time.
    Raises UsageError: no such layer, or one whose output cannot be replaced.
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
    """Silences one unit at a time and counts the images that are still classified correctly.

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
        raise UsageError("name the units to silence")
    without = np.zeros((len(chosen), classes), np.int64)
    done = 0
    for path in dict.fromkeys(unit.path for unit in chosen):
        places = [place for place, unit in enumerate(chosen) if unit.path == path]
        means = _means(subject, batches, path) if level == "mean" else None
        shown, correct = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
        for images, labels in batches():
            with onward(subject, path, images) as rest:
                shown += np.bincount(labels.cpu().numpy(), minlength=classes)
                correct += _correct(rest.scores(rest.value), labels, classes)
                for place in places:
                    silent = silenced(rest.value, chosen[place], means)
                    without[place] += _correct(rest.scores(silent), labels, classes)
                    done += len(labels)
                    if progress is not None:
                        progress(done)
    if not shown.sum():
        raise UsageError("there are no images to classify")
    return Ablation(chosen, level, shown, correct, without)


def silenced(value: Tensor, unit: Unit, means: Tensor | None = None) -> Tensor:
    """Returns the output of a layer, n x depth x height x width, with a unit silenced.

    `means`: depth x height x width, the mean at each position; a map takes their mean over its positions.
    None silences to zero.
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
    """The scores with a value in place of the output at a path."""
    return subject.run(images, lambda _path, _seen: value, [path])


def _reached(steps: Sequence[Step], path: str) -> list[Step]:
    """The steps that depend on the output at a path, in order."""
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
    """The mean over all images of the output at a path: depth x height x width."""
    total, count = None, 0
    for images, _ in batches():
        values = glance(subject, images, [path])[path].double().sum(0)
        total = values if total is None else total + values
        count += len(images)
    if total is None:
        raise UsageError("there are no images to classify")
    return total / count


def _correct(scores: Tensor, labels: Tensor, classes: int) -> Counts:
    """How many images of each class are classified correctly: int64, classes."""
    hit = labels[scores.argmax(1) == labels]
    return np.bincount(hit.cpu().numpy(), minlength=classes)


def _share(part: Counts, whole: Counts) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(part / np.where(whole > 0, whole, np.nan))
