"""Patches: the parts of a set's images that drive each map most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hubel.errors import UsageError
from hubel.instruments.patches import Patch, Top, cut, maps_of, top_images
from hubel.instruments.stream import stream
from hubel.instruments.subject import features
from hubel.instruments.unit import Unit
from hubel.net.field import fields
from hubel.report.instruments import patches as report
from hubel.tasks.look.finding import Arrays, Finding
from hubel.tasks.look.images import Progress, Source, counted, reader
from hubel.tasks.look.specimen import Specimen, at_least_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubel.data.dataset import Images
    from hubel.instruments.subject import Subject
    from hubel.net.volume import Volume


PAGE, LAYERS = 72, 12
"""The most maps, and layers, shown where they are not asked for: what fits on a page."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which maps to look at: of whole `layers` the first `maps`, and the maps named by `units`.

    Without layers and units, all activations and the scores. Without `maps`, a page of those driven most, at
    most `usual` per layer. `top` is the number of patches per map.
    """

    layers: Sequence[str] = ()
    units: Sequence[str] = ()
    maps: int | None = None
    top: int = 9
    usual: int = 64

    @property
    def most(self) -> int:
        """The most maps per layer."""
        return self.usual if self.maps is None else self.maps

    def named(self, subject: Subject) -> tuple[Unit, ...]:
        """The maps named by `units`. Raises UsageError: no such map or layer, or `maps` below 1."""
        at_least_one("maps", self.most)
        named = tuple(Unit.parse(name, subject.steps) for name in self.units)
        for unit in named:
            if unit.channel is None or unit.row is not None:
                raise UsageError(f"{unit} is no map; write {unit.path}[{unit.channel or 0}]")
        for path in self.layers:
            subject.step(path)
        return named

    def spread(self, subject: Subject) -> tuple[str, ...]:
        """The layers to look at whole: those asked for; else `features`, or as many as a page holds."""
        every = features(subject)
        if self.layers or self.units:
            return tuple(self.layers)
        if self.maps is not None or len(every) <= LAYERS:
            return every
        return tuple(every[at * (len(every) - 1) // (LAYERS - 1)] for at in range(LAYERS))

    def of(self, tops: Sequence[Top]) -> tuple[Unit, ...]:
        """The maps to show of whole layers; on a page, as many of each layer."""
        if self.maps is not None:
            return maps_of(tops, self.maps)
        share = min(self.usual, max(1, PAGE // max(1, len(tops))))
        return tuple(unit for found in tops for unit in found.strongest(share))


@dataclass(frozen=True, slots=True, eq=False)
class Driven:
    """The patches that drive maps most, by map; `images` are all that were looked at, `tops` by layer."""

    wanted: Wanted
    images: Images
    tops: tuple[Top, ...]
    patches: Mapping[Unit, tuple[Patch, ...]]

    def notes(self, subject: Subject) -> dict[str, str]:
        """What to write beside each layer's name: what its units see, and how many of its maps are shown."""
        known = fields(subject.steps)
        shown = Counter(unit.path for unit in self.patches)
        return {
            found.path: report.field_note(known[found.path], subject.volume)
            + (f"; {shown[found.path]} of {len(found.scores)} maps" if self._leaves_out(found) else "")
            for found in self.tops
        }

    def left_out(self, subject: Subject) -> str:
        """How many maps are not shown, and how to have them; an empty text where all are."""
        asked = self.wanted.layers or (() if self.wanted.units else features(subject))
        every = sum(subject.step(path).output.depth for path in dict.fromkeys(asked))
        shown = [unit for unit in self.patches if unit.path in asked]
        if len(shown) >= every:
            return ""
        which = "those driven most" if self.wanted.maps is None else "the first"
        return (
            f"{len(shown):,} of {every:,} maps are shown, {which} of {len({unit.path for unit in shown})} of "
            f"{len(set(asked))} layers; --maps N shows N of each layer, --layer and --unit choose "
            "(in Python maps=, layer=, unit=)"
        )

    def _leaves_out(self, found: Top) -> bool:
        return sum(unit.path == found.path for unit in self.patches) < len(found.scores)

    def arrays(self, volume: Volume) -> Arrays:
        """Of each map its patches, uint8, n x h x w x 3, and their scores, float32, n."""
        every = [patch for patches in self.patches.values() for patch in patches]
        arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
        for unit, patches in self.patches.items():
            size = report.extent([patch for patch in every if patch.unit.path == unit.path], volume)
            placed = [report.placed(patch.pixels, patch, volume, size) for patch in patches]
            arrays[str(unit)] = np.array(placed, np.uint8).reshape(-1, *size, 3)
            arrays[f"{unit}.scores"] = np.array([patch.score for patch in patches], np.float32)
        return arrays


def driven(specimen: Specimen, source: Source, wanted: Wanted, progress: Progress | None = None) -> Driven:
    """Finds the patches that drive the wanted maps most, in one pass over the images.

    Raises DataError, UsageError: no such images, layers or maps.
    """
    subject = specimen.subject
    named = wanted.named(subject)
    images = source.open().images
    done = counted(progress, "looking at images", len(images))
    batches = stream(images, specimen.preprocessing, progress=done)
    layers = wanted.spread(subject)
    paths = (*layers, *(unit.path for unit in named))
    tops = top_images(subject, batches, paths, top=wanted.top)
    whole = [found for found in tops if found.path in layers]
    units = tuple(dict.fromkeys((*wanted.of(whole), *named)))
    return Driven(wanted, images, tops, cut(subject, tops, units, reader(specimen, images), images.name))


@dataclass(frozen=True, eq=False, repr=False)
class FoundPatches(Finding):
    """The patches that drive maps of a subject most."""

    instrument = "patches"

    found: Mapping[Unit, tuple[Patch, ...]]
    driven: Driven
    subject: Subject

    def draw(self, form: str) -> bytes:
        return report.patches_figure(self.found, self.subject.volume, notes=self.driven.notes(self.subject))

    def json(self) -> str:
        return report.as_json(self.found)

    def named_arrays(self) -> Arrays:
        return self.driven.arrays(self.subject.volume)

    def text(self) -> str:
        return self.driven.left_out(self.subject)


def look_at_patches(
    specimen: Specimen, source: Source, wanted: Wanted, progress: Progress | None = None
) -> Finding:
    """Finds the patches that drive the wanted maps most."""
    found = driven(specimen, source, wanted, progress)
    return FoundPatches(found.patches, found, specimen.subject)
