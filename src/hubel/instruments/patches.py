"""Patches: the images of a data set that drive each unit most, cut to what the unit sees.

This takes one pass over the images. In each image only the strongest unit of each map counts, and only
those that beat the best so far are kept: no activations are stored, whatever the size of the set. A map gets
at most one patch from an image. Of equal units the first in reading order counts, of equal images the first
in the set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hubel.errors import UsageError
from hubel.instruments.field import behind
from hubel.instruments.subject import Subject, bare, features
from hubel.instruments.unit import Unit
from hubel.net.activations import Relu
from hubel.net.field import Box, box, spans
from hubel.net.layers import Concat

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Top:
    """The units that are driven most in a layer, the strongest first; all arrays are maps x k.

    `images`: int64, indices in the data set; `rows`, `columns`: int64, the unit's position in its map;
    `scores`: float32, its value. k is the number asked for, or the number of images if that is less.
    `silent`: bool, where a rectifier gives 0, so that the image drives the map no more than others do.
    """

    path: str
    images: Counts
    rows: Counts
    columns: Counts
    scores: Floats
    silent: npt.NDArray[np.bool_]

    def unit(self, channel: int, place: int) -> Unit:
        """Returns the unit at `place` in the order of a map, counted from 0."""
        return Unit(self.path, channel, int(self.rows[channel, place]), int(self.columns[channel, place]))

    def strongest(self, most: int) -> tuple[Unit, ...]:
        """Returns the `most` maps whose best unit has the largest value, in the order of the maps."""
        order = np.argsort(-self.scores[:, 0], kind="stable")[:most]
        return tuple(Unit(self.path, int(channel)) for channel in np.sort(order))


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """The part of an image that a unit sees, of an image that drives it.

    `box` is the unit's receptive field in pixels of the network's input, which may reach into the padding; in
    a map of one branch of a concatenation it is what that branch sees. `seen` is the part of the box on the
    image, and `pixels` are its pixels: uint8, h x w x c, as the network sees them before normalisation.
    `image` is the image's index in the set, `name` its file.
    """

    unit: Unit
    score: float
    image: int
    name: str
    box: Box
    seen: Box
    pixels: Bytes


def top_images(
    subject: Subject, batches: Iterable[Tensor], paths: Sequence[str] = (), *, top: int = 9
) -> tuple[Top, ...]:
    """Finds what drives every map of the layers at `paths` most, in one pass; by default of `features`.

    Batches: float32, n x depth x height x width, as the network sees them; images are numbered in their
    order.

    Raises UsageError: no such layer, one without output, `top` below 1, or no images.
    """
    search = Search(subject, paths, top=top)
    for images in batches:
        search.take(images)
    return search.tops()


class Search:
    """The pass over the images, batch by batch; it can be stopped after any batch and resumed.

    `paths` are the layers to look at, `done` is the number of images seen so far.

    Raises UsageError: no such layer, or `top` below 1.
    """

    def __init__(self, subject: Subject, paths: Sequence[str] = (), *, top: int = 9) -> None:
        if top < 1:
            raise UsageError(f"top is at least 1, not {top}")
        self.subject, self.top, self.done = subject, top, 0
        self.paths = tuple(dict.fromkeys(paths or features(subject)))
        self._running = {path: _Running.empty(subject.step(path).output.depth) for path in self.paths}

    def take(self, images: Tensor) -> dict[str, Tensor]:
        """Adds the next images: float32, n x depth x height x width.

        Returns the largest value of each map in each of them: for each layer float32, n x maps.
        """
        largest: dict[str, Tensor] = {}

        def visit(path: str, value: Tensor) -> Tensor:
            largest[path] = self._running[path].take(value, self.done, self.top)
            return value

        with torch.no_grad():
            self.subject.run(images, visit, self.paths)
        self.done += len(images)
        return largest

    def tops(self) -> tuple[Top, ...]:
        """Returns what has driven every map most so far, in the order of `paths`.

        Raises UsageError: there were no images.
        """
        if not self.done:
            raise UsageError("there are no images to look at")
        return tuple(
            found.result(path, rectified=isinstance(bare(self.subject.step(path).layer), Relu))
            for path, found in self._running.items()
        )

    def state(self) -> dict[str, npt.NDArray[np.generic]]:
        """Returns everything found so far as named arrays, for `resume`."""
        known: dict[str, npt.NDArray[np.generic]] = {"done": np.array(self.done)}
        for at, found in enumerate(self._running.values()):
            known[f"{at}.scores"], known[f"{at}.images"] = found.scores.numpy(), found.images.numpy()
            known[f"{at}.places"], known[f"{at}.width"] = found.places.numpy(), np.array(found.width)
        return known

    def resume(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Resumes from the state of a search of the same layers."""
        self.done = int(state["done"])
        for at, path in enumerate(self.paths):
            scores, images, places = (
                torch.from_numpy(state[f"{at}.{name}"]) for name in ("scores", "images", "places")
            )
            self._running[path] = _Running(scores, images, places, int(state[f"{at}.width"]))


def cut(
    subject: Subject,
    tops: Sequence[Top],
    units: Iterable[Unit],
    pixels: Callable[[int], Bytes],
    name: Callable[[int], str],
) -> dict[Unit, tuple[Patch, ...]]:
    """Cuts the patches of `units`, each a map of a layer in `tops`; silent ones are left out.

    `pixels` returns an image of the set, uint8, h x w x c at the size of the network's input, and `name` its
    name. Each image is read once.

    Raises UsageError: a unit that is not a map of these layers.
    """
    by_path = {top.path: top for top in tops}
    wanted = list(dict.fromkeys(units))
    for unit in wanted:
        unit.check(subject.steps)
        if unit.channel is None or unit.row is not None or unit.path not in by_path:
            raise UsageError(f"{unit} is no map of {', '.join(by_path)}")
    joined = any(isinstance(step.layer, Concat) for step in subject.steps)
    steps = cache(lambda path, channel: behind(subject.steps, path, channel) if joined else subject.steps)
    known = cache(lambda path, channel: spans(steps(path, channel))[path])
    inside = cache(
        lambda path, channel, row, column: box(steps(path, channel), path, row, column, clipped=True)
    )
    places: list[tuple[int, Unit, int]] = []
    for unit in wanted:
        top, channel = by_path[unit.path], unit.channel or 0
        shown = np.flatnonzero(~top.silent[channel])
        places += [(int(top.images[channel, at]), unit, int(at)) for at in shown]
    found: dict[tuple[Unit, int], Patch] = {}
    last, whole = -1, None
    for image, unit, at in sorted(places, key=lambda place: place[0]):
        if whole is None or image != last:
            last, whole = image, pixels(image)
        top, channel = by_path[unit.path], unit.channel or 0
        exact = top.unit(channel, at)
        one = channel if joined else 0
        field = known(exact.path, one).box(exact.row or 0, exact.column or 0)
        seen = inside(exact.path, one, exact.row, exact.column)
        part = whole[seen.top : seen.bottom + 1, seen.left : seen.right + 1].copy()
        score = float(top.scores[channel, at])
        found[unit, at] = Patch(exact, score, image, name(image), field, seen, part)
    return {
        unit: tuple(found[unit, at] for at in range(len(by_path[unit.path].scores[0])) if (unit, at) in found)
        for unit in wanted
    }


def maps_of(tops: Sequence[Top], most: int | None = None) -> tuple[Unit, ...]:
    """Returns the maps of these layers, the first `most` of each."""
    return tuple(Unit(top.path, channel) for top in tops for channel in range(len(top.scores))[:most])


@dataclass(slots=True)
class _Running:
    """The best so far in one layer: each k x maps, where k grows up to the number asked for."""

    scores: Tensor
    images: Tensor
    places: Tensor
    width: int = 1

    @classmethod
    def empty(cls, maps: int) -> _Running:
        """Nothing yet."""
        none = torch.empty(0, maps, dtype=torch.int64)
        return cls(torch.empty(0, maps), none, none)

    def take(self, values: Tensor, first: int, top: int) -> Tensor:
        """Adds the output for a batch, n x maps x height x width; `first` is the index of its first image.

        Returns the largest value of each map in each image: float32, n x maps.
        """
        self.width = values.shape[3]
        best = values.amax((2, 3)).float().cpu()
        full = len(self.scores) == top
        maps = (best > self.scores[-1]).any(0).nonzero()[:, 0] if full else torch.arange(best.shape[1])
        if not len(maps):
            return best
        before = len(self.scores)
        scores = torch.cat([self.scores[:, maps], best[:, maps]])
        scores, order = (each[:top] for each in scores.sort(dim=0, descending=True, stable=True))
        new = (order >= before).nonzero()
        rows, columns = new[:, 0], new[:, 1]
        batch_places = order[rows, columns] - before
        maximal = values[batch_places.to(values.device), maps[columns].to(values.device)]
        found = maximal.flatten(1).argmax(1).cpu()
        old = order.clamp(max=max(before - 1, 0))
        images, places = (
            kept[:, maps].gather(0, old) if before else torch.zeros_like(order)
            for kept in (self.images, self.places)
        )
        images[rows, columns] = batch_places + first
        places[rows, columns] = found
        if full:
            self.scores[:, maps], self.images[:, maps], self.places[:, maps] = scores, images, places
        else:
            self.scores, self.images, self.places = scores, images, places
        return best

    def result(self, path: str, *, rectified: bool) -> Top:
        """The best of all."""
        scores = self.scores.T.contiguous().numpy()
        images, places = self.images.T.contiguous().numpy(), self.places.T.contiguous().numpy()
        rows, columns = np.divmod(places, self.width)
        silent = scores <= 0 if rectified else np.zeros_like(scores, dtype=bool)
        return Top(path, images, rows, columns, scores, silent)
