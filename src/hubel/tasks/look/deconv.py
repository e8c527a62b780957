"""Deconv: units projected back to the pixels of an image, or beside the patches that drive them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from hubel.data.arrays import Bytes
from hubel.data.image.objects import ImageLike, is_path, is_tensor
from hubel.data.sources import FILES
from hubel.errors import UsageError
from hubel.instruments.deconv import RULES, Projections, Rule, checked, fitting, project, project_cuts
from hubel.instruments.field import seen_by
from hubel.instruments.unit import Unit
from hubel.report.instruments import patches as report
from hubel.report.instruments.deconv import projections_figure
from hubel.tasks.look.finding import Arrays, Finding
from hubel.tasks.look.images import Progress, Source, reader
from hubel.tasks.look.patches import FoundPatches, Wanted, driven
from hubel.tasks.look.specimen import Specimen, at_least_one

if TYPE_CHECKING:
    from hubel.net.field import Box


@dataclass(frozen=True, slots=True, eq=False)
class Projected:
    """One unit of an image: the pixels it sees, and its projection by each rule."""

    sees: Box
    projections: tuple[Projections, ...]

    @property
    def unit(self) -> Unit:
        """The unit, with its row and column."""
        return self.projections[0].units[0]


def is_image(source: Any) -> bool:
    """Whether a source is one image: in memory, or a file that is not a data set's."""
    if is_path(source):
        return Path(source).is_file() and Path(source).suffix.lower() not in FILES
    return isinstance(source, Image.Image | np.ndarray) or is_tensor(source)


@dataclass(frozen=True, eq=False, repr=False)
class FoundProjections(Finding):
    """Units of one image, whose `pixels` they are drawn beside; `rule` is the one that fits the network."""

    instrument = "deconv"

    found: tuple[Projected, ...]
    pixels: Bytes
    rule: Rule

    def draw(self, form: str) -> bytes:
        drawn = [(row.sees, row.projections) for row in self.found]
        return projections_figure(self.pixels, drawn, switches=self.rule == "deconv")

    def json(self) -> str:
        rows = [{"unit": str(row.unit), "value": float(row.projections[0].scores[0])} for row in self.found]
        return json.dumps(rows)

    def named_arrays(self) -> Arrays:
        return {f"{row.unit}.{each.rule}": each.signals[0] for row in self.found for each in row.projections}


@dataclass(frozen=True, eq=False, repr=False)
class FoundProjectedPatches(FoundPatches):
    """Patches that drive maps most, and their `projections` by one rule, by map."""

    instrument = "deconv"

    projections: Mapping[Unit, Sequence[npt.NDArray[np.float32]]]
    rule: Rule

    def draw(self, form: str) -> bytes:
        notes = {path: f"{note}; {self.rule}" for path, note in self.driven.notes(self.subject).items()}
        return report.patches_figure(
            self.found, self.subject.volume, notes=notes, projections=self.projections
        )

    def named_arrays(self) -> Arrays:
        signals = {
            f"{unit}.projection{at}": signal
            for unit, every in self.projections.items()
            for at, signal in enumerate(every)
        }
        return {**super().named_arrays(), **signals}


def look_at_image(specimen: Specimen, image: ImageLike, wanted: Wanted, rule: str | None) -> Finding:
    """Projects units of one image by all three rules: those named, and the strongest maps of layers."""
    if rule is not None:
        raise UsageError("a rule is for a data set; an image is drawn by all three rules")
    at_least_one("maps", wanted.most)
    pixels = specimen.pixels(image)
    rows = _projected(specimen, image, wanted)

    return FoundProjections(rows, pixels, fitting(specimen.subject))


def look_at_data(
    specimen: Specimen,
    source: Source,
    wanted: Wanted,
    rule: str | None,
    progress: Progress | None = None,
) -> Finding:
    """Finds the patches that drive maps most, and projects each of them by one rule."""
    subject = specimen.subject
    chosen = fitting(subject) if rule is None else checked(rule)
    found = driven(specimen, source, wanted, progress)
    pixels = reader(specimen, found.images)
    projections = project_cuts(subject, found.patches, specimen.preprocessing, pixels, chosen)
    return FoundProjectedPatches(found.patches, found, subject, projections, chosen)


def _projected(specimen: Specimen, image: ImageLike, wanted: Wanted) -> tuple[Projected, ...]:
    """The units of one image, projected; the strongest scores where none are named."""
    subject = specimen.subject
    images = specimen.batch(image)
    units = [Unit.parse(name, subject.steps) for name in wanted.units]
    layers = wanted.layers if wanted.layers or units else [subject.last.path]
    values = subject.values(images, layers)
    for path in layers:
        strongest = values[path][0].amax((1, 2)).argsort(descending=True, stable=True)[: wanted.most]
        units += [Unit(path, channel) for channel in strongest.tolist()]
    rows = []
    for unit in units:
        found = tuple(project(subject, images, unit, rule) for rule in RULES)
        rows.append(Projected(seen_by(subject, found[0].units[0]), found))
    return tuple(rows)
