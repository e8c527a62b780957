"""Tuning: how units respond to gratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubel.instruments.subject import Subject, features
from hubel.instruments.tuning import Gratings, Tuning, tune
from hubel.instruments.unit import Unit
from hubel.report.instruments import tuning as report
from hubel.tasks.look.finding import Arrays, Finding
from hubel.tasks.look.images import Progress, counted
from hubel.tasks.look.specimen import Specimen


@dataclass(frozen=True, eq=False, repr=False)
class FoundTuning(Finding):
    """How units respond to gratings; those of the first `drawn` layers are drawn one by one."""

    instrument = "tuning"

    found: Sequence[Tuning]
    drawn: int

    def draw(self, form: str) -> bytes:
        return report.tuning_figure(self.found[: self.drawn], self.found)

    def json(self) -> str:
        return report.as_json(self.found)

    def named_arrays(self) -> Arrays:
        names = ("responses", "blank", "curves", "preferred", "selectivity", "frequency", "modulation")
        return {f"{each.path}.{name}": getattr(each, name) for each in self.found for name in names}

    def text(self) -> str:
        return report.as_text(self.found)


def look_at_tuning(
    specimen: Specimen, layers: Sequence[str], gratings: Gratings, progress: Progress | None = None
) -> Finding:
    """Finds the tuning of the units named or, without names, of the central units of all activations."""
    done = counted(progress, "showing gratings", len(gratings))
    units = _units(specimen.subject, layers)
    found = tune(specimen.subject, units, specimen.preprocessing.normalise, gratings, progress=done)
    return FoundTuning(found, drawn=len(found) if layers else 1)


def _units(subject: Subject, names: Sequence[str]) -> list[Unit]:
    if names:
        return [Unit.parse(name, subject.steps) for name in names]
    return [Unit(path) for path in features(subject)]
