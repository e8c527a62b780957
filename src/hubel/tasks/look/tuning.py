"""Tuning: how units respond to gratings."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.instruments.subject import Subject, features
from hubel.instruments.tuning import Gratings, Tuning, tune
from hubel.instruments.unit import Unit
from hubel.report.instruments import tuning as report
from hubel.tasks.look.finding import PNG, Arrays, Finding
from hubel.tasks.look.images import Progress, counted
from hubel.tasks.look.specimen import Specimen


def look_at_tuning(
    specimen: Specimen, layers: Sequence[str], gratings: Gratings, progress: Progress | None = None
) -> Finding:
    """Finds the tuning of the units named or, without names, of the central units of all activations."""
    done = counted(progress, "showing gratings", len(gratings))
    units = _units(specimen.subject, layers)
    found = tune(specimen.subject, units, specimen.preprocessing.normalise, gratings, progress=done)
    return Finding(
        "tuning",
        found,
        PNG,
        lambda _form: report.tuning_figure(found if layers else found[:1], found),
        to_json=lambda: report.as_json(found),
        to_arrays=lambda: _arrays(found),
        to_text=lambda: report.as_text(found),
    )


def _units(subject: Subject, names: Sequence[str]) -> list[Unit]:
    if names:
        return [Unit.parse(name, subject.steps) for name in names]
    return [Unit(path) for path in features(subject)]


def _arrays(found: Sequence[Tuning]) -> Arrays:
    names = ("responses", "blank", "curves", "preferred", "selectivity", "frequency", "modulation")
    return {f"{each.path}.{name}": getattr(each, name) for each in found for name in names}
