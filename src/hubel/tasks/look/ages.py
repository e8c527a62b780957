"""Ages: maps followed through the states of a network, such as the epochs that a run has kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hubel.data.image.objects import is_path
from hubel.errors import UsageError
from hubel.instruments.ages import Ages, State, over_time
from hubel.instruments.deconv import Rule, fitting
from hubel.instruments.unit import Unit, expand
from hubel.net.volume import Volume
from hubel.report.instruments.ages import ages_as_json, ages_figure
from hubel.tasks.look.finding import Arrays, Finding
from hubel.tasks.look.images import Progress, Source, counted
from hubel.tasks.look.patches import Wanted
from hubel.tasks.look.specimen import Lookable, Specimen, at_least_one, open_specimen

FEWEST = 2
"""The fewest states: one alone does not change."""


@dataclass(frozen=True, slots=True)
class Named:
    """A state before it is read: what to call it, what it is opened from, and in which ways."""

    name: str
    where: Lookable | Specimen
    allow_code: bool = False
    force: bool = False

    def opened(self) -> Specimen:
        """The network in this state. Raises as `open_specimen`."""
        if isinstance(self.where, Specimen):
            return self.where
        return open_specimen(self.where, allow_code=self.allow_code, force=self.force)


def states_of(places: Sequence[Lookable | Specimen], most: int) -> list[Named]:
    """Returns at most `most` states of a network in order; a run's folder stands for the epochs it kept.

    Raises UsageError: a folder without kept epochs, or fewer than 2 states.
    """
    if most < FEWEST:
        raise UsageError(f"states is at least {FEWEST}, not {most}")
    open_already = [place for place in places if isinstance(place, Specimen)]
    code, force = any(each.allow_code for each in open_already), any(each.force for each in open_already)
    found = [replace(state, allow_code=code, force=force) for place in places for state in _states(place)]
    if len(found) < FEWEST:
        raise UsageError("one state alone does not change; name another, or a run that kept its epochs")
    return [found[at] for at in _spread(len(found), most)]


@dataclass(frozen=True, eq=False, repr=False)
class FoundAges(Finding):
    """Maps in the states called `names`; what they see in the input `volume` is projected by a `rule`."""

    instrument = "compare"

    found: Sequence[Ages]
    names: tuple[str, ...]
    volume: Volume
    rule: Rule

    def draw(self, form: str) -> bytes:
        return ages_figure(self.found, self.names, self.volume, self.rule)

    def json(self) -> str:
        return ages_as_json(self.found, self.names)

    def named_arrays(self) -> Arrays:
        """Of each map its filters, states x depth x h x w, where it has them, and its patches' scores."""
        filters = {f"{each.unit}.filters": each.filters for each in self.found if each.filters is not None}
        return filters | {
            f"{each.unit}.scores.{at}": np.array([patch.score for patch in patches], np.float32)
            for each in self.found
            for at, patches in enumerate(each.patches)
        }


def look_over_time(
    states: Sequence[Named], source: Source, wanted: Wanted, progress: Progress | None = None
) -> Finding:
    """Follows maps through the states of a network; `wanted.top` patches of each map in each state."""
    at_least_one("maps", wanted.most)
    specimens = [each.opened() for each in states]
    shown = [
        State(each.name, specimen.subject, specimen.preprocessing)
        for each, specimen in zip(states, specimens, strict=True)
    ]
    images = source.open(specimens[-1]).images
    subject = specimens[0].subject
    named = (Unit.parse(each, subject.steps) for each in wanted.units)
    maps, rule = expand(named, subject.steps, wanted.most), fitting(subject)
    done = counted(progress, "looking at images", len(images) * len(shown))
    found = over_time(shown, maps, images, top=wanted.top, rule=rule, progress=done)
    return FoundAges(found, tuple(each.name for each in states), subject.volume, rule)


def _states(place: Lookable | Specimen) -> list[Named]:
    """The state or states at one place."""
    where = place.where if isinstance(place, Specimen) else place
    if not is_path(where):
        return [Named(type(where).__name__, where)]
    if not Path(where).is_dir():
        return [Named(Path(where).stem, place)]
    kept = sorted(Path(where, "epochs").glob("*.safetensors"))
    if not kept:
        raise UsageError(
            f"{where} has no epochs/*.safetensors; train with --keep-epochs, or name the states' files"
        )
    return [Named(f"epoch {int(each.stem)}" if each.stem.isdecimal() else each.stem, each) for each in kept]


def _spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, the first and last among them, ever further apart."""
    if count <= most:
        return list(range(count))
    steps = np.geomspace(1, count, most).round().astype(int) - 1
    for at in range(1, most):  # places that coincide move on by one
        steps[at] = max(steps[at], steps[at - 1] + 1)
    return [int(step) for step in steps]
