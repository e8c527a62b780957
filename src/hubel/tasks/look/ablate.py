"""Ablate: which classes lose recall when units are silenced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubel.errors import UsageError, nearest
from hubel.instruments.ablate import LEVELS, Ablation, Level, ablate
from hubel.instruments.subject import Subject, features
from hubel.instruments.unit import Unit, expand
from hubel.report.instruments import ablate as report
from hubel.tasks.look.finding import Arrays, Finding
from hubel.tasks.look.images import Progress, Source, counted, labelled
from hubel.tasks.look.specimen import Specimen

_BATCH = 250


@dataclass(frozen=True, slots=True)
class Silence:
    """What is silenced, and to which level: each map of the layers named, or each layer as a `whole`.

    Without names it is each map of the last activation.
    """

    layers: Sequence[str]
    whole: bool
    to: str

    @property
    def level(self) -> Level:
        """Raises UsageError: no such level."""
        for known in LEVELS:
            if known == self.to:
                return known
        raise UsageError(f"to is one of {', '.join(LEVELS)}, not {self.to!r}{nearest(self.to, LEVELS)}")

    def units(self, subject: Subject) -> list[Unit]:
        """Raises UsageError: no such layer or map."""
        named = [Unit.parse(name, subject.steps) for name in self.layers]
        named = named or [Unit((features(subject)[:-1] or [subject.steps[0].path])[-1])]
        return named if self.whole else expand(named, subject.steps)


@dataclass(frozen=True, eq=False, repr=False)
class FoundAblation(Finding):
    """What silencing units did to each of the `classes`."""

    instrument = "ablate"

    found: Ablation
    classes: tuple[str, ...]

    def draw(self, form: str) -> bytes:
        return report.ablation_figure(self.found, self.classes)

    def json(self) -> str:
        return report.as_json(self.found, self.classes)

    def named_arrays(self) -> Arrays:
        return {name: getattr(self.found, name) for name in ("images", "correct", "without", "drops")}

    def text(self) -> str:
        return report.as_text(self.found, self.classes)


def look_at_ablation(
    specimen: Specimen, source: Source, silence: Silence, progress: Progress | None = None
) -> Finding:
    """Silences units one at a time, and measures the recall of each class without them."""
    subject, level = specimen.subject, silence.level
    units = silence.units(subject)
    decoded, classes = labelled(specimen, source.open(specimen))
    batches = decoded.batches(specimen.preprocessing, _BATCH)
    done = counted(progress, "silencing", len(decoded) * len(units))
    found = ablate(subject, lambda: batches.epoch(0), units, len(classes), level, progress=done)
    return FoundAblation(found, classes)
