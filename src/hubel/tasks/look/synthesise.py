"""Synthesise: images made to excite units, maps or classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hubel.errors import UsageError
from hubel.instruments.field import seen_by
from hubel.instruments.synthesise import Climb, Synthesis, class_unit, colour_root, synthesise
from hubel.instruments.unit import Unit, expand
from hubel.net.field import Box
from hubel.report.instruments import synthesise as report
from hubel.tasks.look.finding import Arrays, Finding
from hubel.tasks.look.images import Data, Progress, Source, reader
from hubel.tasks.look.specimen import Specimen, at_least_one

if TYPE_CHECKING:
    from hubel.instruments.synthesise import Floats

_COLOURED = 100
"""How many images of a set give its colours."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What to excite: `units` by name, where a layer stands for its first `maps`; and classes by `labels`."""

    units: Sequence[str]
    labels: Sequence[str]
    maps: int

    def chosen(self, specimen: Specimen) -> tuple[Unit, ...]:
        """The units named, without those of classes. Raises UsageError: no such layer or unit."""
        steps = specimen.subject.steps
        return tuple(expand((Unit.parse(text, steps) for text in self.units), steps, self.maps))

    def classes(self, specimen: Specimen) -> dict[Unit, str]:
        """The units of the classes named, with the classes' names. Raises UsageError: no such class."""
        every = [*self.labels] == ["all"] and "all" not in specimen.classes
        names = specimen.classes if every else self.labels
        return {class_unit(specimen.subject, specimen.label(name)): name for name in names}


@dataclass(frozen=True, eq=False, repr=False)
class FoundSynthesis(Finding):
    """Images made to excite units; those of classes have `names`, and those in one place `boxes`."""

    instrument = "synthesise"

    found: Sequence[Synthesis]
    names: Mapping[Unit, str]
    boxes: Mapping[Unit, Box]

    def draw(self, form: str) -> bytes:
        return report.synthesis_figure(self.found, names=self.names, boxes=self.boxes)

    def json(self) -> str:
        return report.as_json(self.found)

    def named_arrays(self) -> Arrays:
        images = {str(each.unit): each.image for each in self.found}
        return images | {f"{each.unit}.history": each.history for each in self.found}


def synthesise_images(
    specimen: Specimen,
    targets: Targets,
    *,
    steps: int,
    seed: int,
    colours: Data | None,
    progress: Progress | None = None,
) -> Finding:
    """Makes an image for each target, with the colours of a data set or, without one, ImageNet's."""
    at_least_one("maps", targets.maps)
    subject = specimen.subject
    names = targets.classes(specimen)
    chosen = tuple(dict.fromkeys((*targets.chosen(specimen), *names)))
    if not chosen:
        raise UsageError("name what to excite: a unit such as 'conv2[3]', a layer, or a class")
    found = synthesise(
        subject,
        chosen,
        specimen.preprocessing,
        steps=steps,
        seed=seed,
        colours=None if colours is None else _colours_of(specimen, colours),
        progress=_climbing(progress),
    )
    boxes = {unit: seen_by(subject, unit) for unit in chosen if unit.row is not None}
    return FoundSynthesis(found, names, boxes)


def _climbing(progress: Progress | None) -> Callable[[Climb], None] | None:
    """The progress of a climb: its step, and the mean activation it has reached."""
    if progress is None:
        return None
    report_to = progress
    return lambda climb: report_to(
        f"climbing, at {float(climb.activations.mean()):.3g}", climb.step, climb.steps
    )


def _colours_of(specimen: Specimen, data: Data) -> Floats:
    """A root of the covariance of a set's colours, from a hundred of its images."""
    images = Source(data, images=_COLOURED).open().images
    read = reader(specimen, images)
    return colour_root(np.stack([read(index) for index in range(len(images))]))
