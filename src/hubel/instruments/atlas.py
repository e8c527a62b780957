"""The atlas: everything about every unit of a network, computed one layer at a time.

One pass over the images of a set finds the patches that drive each map most, and each map's mean response to
each class. A `Census` is that pass; it can be stopped after any batch and resumed. Another pass, over
gratings, finds how units are tuned. The rest is computed by an `Atlas`, layer by layer: patches, their
projections, and what drives a unit.

Class selectivity is (a - b) / (a + b), where a is a unit's mean response to the class it responds to most,
and b the mean of its mean responses to all other classes. It is 0 if all classes are alike, and 1 if the unit
responds to one class only. A unit's response to an image is the largest value of its map; the source uses
the map's mean.

Source: Morcos et al. 2018, On the importance of single directions for generalization.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from hubel.data.feed.decoded import decode
from hubel.errors import UsageError
from hubel.instruments.deconv import Rule, project_patches
from hubel.instruments.drive import Drive, Drives
from hubel.instruments.patches import Patch, Search, Top, cut
from hubel.instruments.stream import BATCH
from hubel.instruments.subject import Subject, features
from hubel.instruments.unit import Unit, expand
from hubel.module.network import Network
from hubel.net.field import Field, fields
from hubel.net.layer import Layer
from hubel.net.volume import Volume

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing
    from hubel.instruments.tuning import Tuning

    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]
    Signals = npt.NDArray[np.float32]

Level: TypeAlias = Literal["low", "mid", "high"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a pass over `images` images found.

    `tops`: what drives the maps of each layer most, in order. `means`: for each layer float64, maps x
    classes, the mean over a class's images of a map's largest value; NaN for a class without images.
    """

    images: int
    tops: tuple[Top, ...]
    means: Mapping[str, Floats]


class Census:
    """The pass over the images, batch by batch; it can be stopped after any batch and resumed.

    `labels`: int64, the class of every image in the set's order, out of `classes` classes. The layers are
    those of `paths`, by default `features`.

    Raises UsageError: no such layer, or `top` below 1.
    """

    def __init__(
        self, subject: Subject, labels: Counts, classes: int, paths: Sequence[str] = (), *, top: int = 9
    ) -> None:
        self.labels = labels
        self._search = Search(subject, paths, top=top)
        depths = {path: subject.step(path).output.depth for path in self._search.paths}
        self._sums = {path: np.zeros((depth, classes)) for path, depth in depths.items()}

    @property
    def done(self) -> int:
        """The number of images seen so far."""
        return self._search.done

    def take(self, images: Tensor) -> None:
        """Adds the next images: float32, n x depth x height x width."""
        labels = self.labels[self.done : self.done + len(images)]
        for path, largest in self._search.take(images).items():
            sums, answers = self._sums[path], largest.double().numpy()
            for label in np.unique(labels):
                sums[:, label] += answers[labels == label].sum(0)

    def seen(self) -> Seen:
        """Returns what the images so far have shown. Raises UsageError: there were none."""
        tops = self._search.tops()
        classes = self._sums[tops[0].path].shape[1]
        counts = np.bincount(self.labels[: self.done], minlength=classes).astype(np.float64)
        counts[counts == 0] = np.nan
        return Seen(self.done, tops, {path: sums / counts for path, sums in self._sums.items()})

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """Returns everything found so far as named arrays, for `resume`."""
        sums = {f"{at}.sums": each for at, each in enumerate(self._sums.values())}
        return self._search.state() | sums

    def resume(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Resumes from the state of a census of the same layers."""
        self._search.resume(state)
        self._sums = {path: state[f"{at}.sums"].copy() for at, path in enumerate(self._sums)}


@dataclass(frozen=True, slots=True, eq=False)
class UnitView:
    """Everything about one map, `unit`.

    `patches` drive it most; `signals` are their projections: float32, depth x h x w each, of the patch's
    size. `means`: float64, classes, its mean response to each. `selectivity` is NaN if a mean response is
    negative, or none is positive. `drive` is what it is computed from.
    """

    unit: Unit
    patches: tuple[Patch, ...]
    signals: tuple[Signals, ...]
    means: Floats
    selectivity: float
    drive: Drive


@dataclass(frozen=True, slots=True, eq=False)
class LayerView:
    """A layer of the atlas, which shows the first `shown` maps of `volume`.

    `field` is the receptive field of its units; `level` is its size: `low` up to a third of the image's side,
    `mid` up to two thirds, `high` above. `tuning` has the central unit of each map that is shown; it is None
    if maps have a single position.
    """

    path: str
    layer: Layer
    volume: Volume
    field: Field
    level: Level
    shown: int
    tuning: Tuning | None


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """Everything an atlas is made from; `images` are those that were `seen`, in order.

    It shows at most `most` maps per layer, its first ones; patches are projected by `rule`.
    """

    subject: Subject
    preprocessing: Preprocessing
    images: Images
    seen: Seen
    tunings: Sequence[Tuning]
    rule: Rule
    most: int = 64

    def layers(self) -> tuple[LayerView, ...]:
        """Returns the layers, in order."""
        known = fields(self.subject.steps)
        tunings = {tuning.path: tuning for tuning in self.tunings}
        found = []
        for top in self.seen.tops:
            step = self.subject.step(top.path)
            field, shown = known[top.path], min(self.most, step.output.depth)
            rank = level(field, self.subject.volume)
            found.append(
                LayerView(top.path, step.layer, step.output, field, rank, shown, tunings.get(top.path))
            )
        return tuple(found)

    def units(self, path: str) -> Iterator[UnitView]:
        """Yields the units of a layer; patches are projected in batches.

        Raises UsageError: not a layer of the atlas. Raises DataError: an image that cannot be read again.
        """
        top = next((top for top in self.seen.tops if top.path == path), None)
        if top is None:
            raise UsageError(
                f"the atlas has no layer {path!r}; it has {', '.join(t.path for t in self.seen.tops)}"
            )
        subject = until(self.subject, path)
        drives = Drives(self.subject, [found.path for found in self.seen.tops])
        means = self.seen.means[path]
        index = selectivity(means)
        shown = [Unit(path, channel) for channel in range(min(self.most, len(means)))]
        at_once = max(1, BATCH // max(1, top.scores.shape[1]))
        for start in range(0, len(shown), at_once):
            units = shown[start : start + at_once]
            for unit, patches, signals in self._projected(subject, top, units):
                channel = unit.channel or 0
                yield UnitView(unit, patches, signals, means[channel], float(index[channel]), drives.of(unit))

    def _projected(
        self, subject: Subject, top: Top, units: Sequence[Unit]
    ) -> Iterator[tuple[Unit, tuple[Patch, ...], tuple[Signals, ...]]]:
        """The patches of some units of one layer and their projections."""
        channels = [unit.channel or 0 for unit in units]
        wanted = np.unique(top.images[channels][~top.silent[channels]])
        pixels = decode(self.images.select(wanted), self.preprocessing).pixels
        place = {int(image): at for at, image in enumerate(wanted)}
        cuts = cut(subject, [top], units, lambda index: pixels[place[index]], self.images.name)
        every = [patch for patches in cuts.values() for patch in patches]
        chosen = torch.from_numpy(pixels[[place[patch.image] for patch in every]])
        signals = iter(project_patches(subject, self.preprocessing.normalise(chosen), every, self.rule))
        for unit, patches in cuts.items():
            yield unit, patches, tuple(next(signals) for _ in patches)


def tuned(subject: Subject, paths: Sequence[str] = (), *, most: int = 64) -> tuple[Unit, ...]:
    """Returns the units to show gratings to: the first maps of all layers with more than one position."""
    steps = [subject.step(path) for path in paths or features(subject)]
    layers = (Unit(step.path) for step in steps if step.output.plane != (1, 1))
    return tuple(expand(layers, subject.steps, most))


def level(field: Field, volume: Volume) -> Level:
    """Returns the level of units with this receptive field; see `LayerView`."""
    seen = [(3 * size, side) for size, side in zip(field.size, volume.plane, strict=True)]
    return LEVELS[max(0 if size <= side else 1 if size <= 2 * side else 2 for size, side in seen)]


def selectivity(means: Floats) -> Floats:
    """Returns the class selectivity of units from their mean responses, units x classes: units.

    NaN if a mean is negative, if none is positive, or if fewer than two classes have images.
    """
    there = means[:, ~np.isnan(means).all(0)]
    if there.shape[1] < 2:
        return np.full(len(means), np.nan)
    best = there.max(1)
    rest = (there.sum(1) - best) / (there.shape[1] - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((there.min(1) >= 0) & (best > 0), (best - rest) / (best + rest), np.nan)


def until(subject: Subject, path: str) -> Subject:
    """Returns a built network up to a layer, so that later layers do not run; any other module whole."""
    if not isinstance(subject.module, Network):
        return subject
    places = [step.path for step in subject.steps]
    return replace(subject, steps=subject.steps[: places.index(path) + 1])
