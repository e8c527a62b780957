"""Deconv: units projected back to the pixels of an image, or beside the patches that drive them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hubel.data.image.objects import ImageLike, is_path, is_tensor
from hubel.data.sources import FILES
from hubel.errors import UsageError
from hubel.instruments.deconv import RULES, Projections, checked, fitting, project, project_cuts
from hubel.instruments.field import seen_by
from hubel.instruments.unit import Unit
from hubel.report.instruments import patches as report
from hubel.report.instruments.deconv import projections_figure
from hubel.tasks.look.finding import PNG, Arrays, Finding
from hubel.tasks.look.images import Progress, Source, reader
from hubel.tasks.look.patches import Wanted, driven
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


def look_at_image(specimen: Specimen, image: ImageLike, wanted: Wanted, rule: str | None) -> Finding:
    """Projects units of one image by all three rules: those named, and the strongest maps of layers."""
    if rule is not None:
        raise UsageError("a rule is for a data set; an image is drawn by all three rules")
    at_least_one("maps", wanted.most)
    pixels = specimen.pixels(image)
    rows = _projected(specimen, image, wanted)

    def draw(_form: str) -> bytes:
        drawn = [(row.sees, row.projections) for row in rows]
        return projections_figure(pixels, drawn, switches=fitting(specimen.subject) == "deconv")

    return Finding(
        "deconv",
        rows,
        PNG,
        draw,
        to_json=lambda: json.dumps(
            [{"unit": str(row.unit), "value": float(row.projections[0].scores[0])} for row in rows]
        ),
        to_arrays=lambda: {
            f"{row.unit}.{found.rule}": found.signals[0] for row in rows for found in row.projections
        },
    )


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
    left_out = found.left_out(subject)
    pixels = reader(specimen, found.images)
    projections = project_cuts(subject, found.patches, specimen.preprocessing, pixels, chosen)
    notes = {path: f"{note}; {chosen}" for path, note in found.notes(subject).items()}

    def arrays() -> Arrays:
        signals = {
            f"{unit}.projection{at}": signal
            for unit, every in projections.items()
            for at, signal in enumerate(every)
        }
        return {**found.arrays(subject.volume), **signals}

    return Finding(
        "deconv",
        found.patches,
        PNG,
        lambda _form: report.patches_figure(
            found.patches, subject.volume, notes=notes, projections=projections
        ),
        to_json=lambda: report.as_json(found.patches),
        to_arrays=arrays,
        to_text=(lambda: left_out) if left_out else None,
    )


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
