"""Patches: the parts of a set's images that drive each map most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hubel.errors import UsageError
from hubel.instruments.patches import Patch, Top, cut, maps_of, top_images
from hubel.instruments.stream import stream
from hubel.instruments.unit import Unit
from hubel.net.field import fields
from hubel.report.instruments import patches as report
from hubel.tasks.look.finding import PNG, Arrays, Finding
from hubel.tasks.look.images import Progress, Source, counted, reader
from hubel.tasks.look.specimen import Specimen, at_least_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubel.data.dataset import Images
    from hubel.instruments.subject import Subject
    from hubel.net.volume import Volume


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which maps to look at: of whole `layers` the first `maps`, and the maps named by `units`.

    Without layers and units, all activations and the scores. `top` is the number of patches per map.
    """

    layers: Sequence[str] = ()
    units: Sequence[str] = ()
    maps: int = 64
    top: int = 9

    def named(self, subject: Subject) -> tuple[Unit, ...]:
        """The maps named by `units`. Raises UsageError: no such map or layer, or `maps` below 1."""
        at_least_one("maps", self.maps)
        named = tuple(Unit.parse(name, subject.steps) for name in self.units)
        for unit in named:
            if unit.channel is None or unit.row is not None:
                raise UsageError(f"{unit} is no map; write {unit.path}[{unit.channel or 0}]")
        for path in self.layers:
            subject.step(path)
        return named


@dataclass(frozen=True, slots=True, eq=False)
class Driven:
    """The patches that drive maps most, by map; `images` are all that were looked at, `tops` by layer."""

    images: Images
    tops: tuple[Top, ...]
    patches: Mapping[Unit, tuple[Patch, ...]]

    def notes(self, subject: Subject, maps: int) -> dict[str, str]:
        """What to write beside each layer's name: what its units see, and how many of its maps are shown."""
        known = fields(subject.steps)
        return {
            found.path: report.field_note(known[found.path], subject.volume)
            + (f"; {maps} of {len(found.scores)} maps" if maps < len(found.scores) else "")
            for found in self.tops
        }

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
    paths = (*wanted.layers, *(unit.path for unit in named))
    tops = top_images(subject, batches, paths, top=wanted.top)
    whole = [found for found in tops if found.path in wanted.layers or not (wanted.layers or named)]
    units = tuple(dict.fromkeys((*maps_of(whole, wanted.maps), *named)))
    return Driven(images, tops, cut(subject, tops, units, reader(specimen, images), images.name))


def look_at_patches(
    specimen: Specimen, source: Source, wanted: Wanted, progress: Progress | None = None
) -> Finding:
    """Finds the patches that drive the wanted maps most, and how to draw them."""
    subject = specimen.subject
    found = driven(specimen, source, wanted, progress)
    return Finding(
        "patches",
        found.patches,
        PNG,
        lambda _form: report.patches_figure(
            found.patches, subject.volume, notes=found.notes(subject, wanted.maps)
        ),
        to_json=lambda: report.as_json(found.patches),
        to_arrays=lambda: found.arrays(subject.volume),
    )
