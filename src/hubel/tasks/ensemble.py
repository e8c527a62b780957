"""`train --ensemble`: several runs on the same images, whose models answer together.

    ensemble.toml   what was asked for: how many members, and from what the last ones start
    1/, 2/, ...     the runs

The first member is trained by what was asked for; the others repeat its config with other random numbers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import tomli_w
from torch import nn

from hubel.data.sources import is_from_python, whereabouts
from hubel.errors import ModelError, UsageError
from hubel.files import exists, write_whole
from hubel.model.header import Validated, members_in, read_header
from hubel.tasks.evaluate import evaluate
from hubel.tasks.follow import Listener
from hubel.tasks.resume import resume
from hubel.tasks.run import REPORT
from hubel.tasks.train import paths_to_freeze, train
from hubel.training.events import Warned
from hubel.training.run.events import EnsembleDone, Event, MemberBegan, Stopped
from hubel.training.run.folder import RUNS, RunFolder, check_free
from hubel.training.settings.config import Config
from hubel.training.settings.toml import from_table, read_toml, to_toml, wish
from hubel.world import World, started

PLAN = "ensemble.toml"

PRETRAINED_BY = {"alexnet": "alexnet_pretrained"}
"""The recipe of members that start from a larger set's model, where a paper has one of its own."""

FROM_SCRATCH = (
    "two of the paper's seven networks were pretrained on all of ImageNet; here all {} start from random "
    "weights. Give models of a larger set: pretrained, on the command line --pretrained MODEL, twice"
)
"""The warning of AlexNet's ensemble of more than its five plain members, without pretrained models."""

PLAIN = 5
"""The members of AlexNet's ensemble that were not pretrained."""

ELSEWHERE = frozenset(
    {"net", "volume", "recipe", "start", "freeze", "config", "force", "live", "tensorboard"}
)
"""Arguments of `train` that are no settings of members which start from another model."""

AGAIN = ("tensorboard", "live", "force", "loss", "optimizer", "augmentation")
"""Arguments that hold for every member, where they are functions or switches."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An ensemble as it was asked for.

    The last of its `members` start from the models `pretrained`, by the `recipe` and with the `settings`
    asked for, each `key = value` in TOML. Raises UsageError: fewer than two members, or too few of them.
    """

    members: int
    pretrained: tuple[str, ...] = ()
    recipe: str = ""
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.members < 2:
            raise UsageError(
                f"an ensemble has at least 2 members, not {self.members}; leave it out for one run"
            )
        if len(self.pretrained) >= self.members:
            raise UsageError(
                f"of {self.members} members at most {self.members - 1} start from a pretrained model, not "
                f"{len(self.pretrained)}; the first one starts as the settings say"
            )

    def start(self, number: int) -> str:
        """The model that a member, counted from 1, starts from; empty for what the settings say."""
        place = number - 1 - self.members + len(self.pretrained)
        return self.pretrained[place] if place >= 0 else ""


def train_ensemble(
    members: int,
    data: Any = None,
    *,
    pretrained: Sequence[str | Path] | None = None,
    out: str | Path | None = None,
    on_event: Listener | None = None,
    **arguments: Any,
) -> Path:
    """Trains so many runs in one folder, which `hubel.evaluate` and `hubel.predict` take as a model.

    The first run is what `hubel.train` makes of the other arguments, in a folder called by its number; the
    others repeat it: `time` is for each. All hold out the same images; initial weights, the order of the
    images and their variants differ. The last runs start from the models `pretrained`, one for each, with
    the network of that model. Without `out` the folder is the first free `runs/ensemble-N`. Returns the
    folder; `hubel.resume_ensemble` continues a stopped one.

    Source: Krizhevsky et al. 2012, section 6, who averaged five such networks and two pretrained ones.

    Raises UsageError: fewer than two members, or as `hubel.train`.
    """
    recipe = arguments.get("recipe")
    plan = Plan(
        members,
        tuple(str(Path(each).resolve()) if exists(each) else str(each) for each in pretrained or ()),
        PRETRAINED_BY.get(recipe, "") if isinstance(recipe, str) else "",
        tuple(_settings(arguments)),
    )
    folder = Path(out) if out is not None else _free()
    made = tuple(each for each in (folder, *folder.parents) if not each.exists())
    if started().leads:
        check_free(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / PLAN, to_toml(plan))
    if recipe == "alexnet" and members > PLAIN and not plan.pretrained and on_event and started().leads:
        on_event(Warned(FROM_SCRATCH.format(members)))
    with World.join().unbroken():
        return _Members(folder, plan, on_event, data, arguments, made).train()


def resume_ensemble(
    ensemble: str | Path, *, data: Any = None, on_event: Listener | None = None, **arguments: Any
) -> Path:
    """Continues the members of a stopped ensemble that are not finished, and trains those not begun.

    The arguments are those of `hubel.resume`. Returns the folder.

    Raises UsageError: the folder is no ensemble's, or as `hubel.resume`. Raises TrainingError: as that does.
    """
    folder, world = Path(ensemble), World.join()
    with world.unbroken():
        plan = world.first(_planned(folder) if world.leads else None)
        assert plan is not None, "the first process has it"
        return _Members(folder, plan, on_event, data, arguments).train()


def _planned(folder: Path) -> Plan:
    """What an ensemble was asked for. Raises UsageError: the folder is no ensemble's, or none has begun."""
    if not (folder / PLAN).is_file():
        runs = members_in(folder)
        remedy = f"resume its runs one by one, such as {runs[0]}" if runs else "give a run's or an ensemble's"
        raise UsageError(f"{folder} has no {PLAN}; {remedy}")
    if not RunFolder(folder / "1").is_run:
        raise UsageError(f"{folder}: its first member has not begun; delete the folder and train it anew")
    return from_table(Plan, read_toml(folder / PLAN), str(folder / PLAN))


def is_of_members(folder: str | Path) -> bool:
    """Whether this is a folder of several runs, and not of one; together."""
    world = World.join()
    return world.first(world.leads and ((Path(folder) / PLAN).is_file() or bool(members_in(folder))))


@dataclass(frozen=True, slots=True)
class _Members:
    """The members of an ensemble, trained one after the other; `arguments` are those of `train` or `resume`.

    `made` are the folders that are removed if no member comes to its first round, the innermost first.
    """

    folder: Path
    plan: Plan
    on_event: Listener | None
    data: Any
    arguments: dict[str, Any]
    made: tuple[Path, ...] = ()

    def train(self) -> Path:
        """Trains or resumes each member that is not finished; together. Returns the folder."""
        world = World.join()
        try:
            for number in range(1, self.plan.members + 1):
                place = self.folder / str(number)
                finished, begun = world.first(((place / REPORT).is_file(), RunFolder(place).is_run))
                if not finished:
                    self._member(number, place, begun=begun)
        finally:
            if world.leads and not any(RunFolder(each).is_run for each in self.folder.glob("*")):
                self._discard()
        if self.on_event is not None:
            self._tell(self.on_event, world)
        return world.first(self.folder)

    def _member(self, number: int, place: Path, *, begun: bool) -> None:
        """Trains or resumes one member, counted from 1; together."""
        heard = partial(self._heard, number)
        if begun:
            config = self._config(number)
            heard(MemberBegan(number, self.plan.members, config.draws, config.start, resumed=True))
            resume(place, data=self.data, on_event=heard, **self._again(config))
            return
        if number == 1:
            heard(MemberBegan(1, self.plan.members, self.arguments.get("seed") or 0))
            train(self.data, out=place, on_event=heard, **_own_arguments(self.arguments))
            return
        first, start = self._config(1), self.plan.start(number)
        config = replace(first, data=self._whereabouts(first), member=number - 1)
        heard(MemberBegan(number, self.plan.members, config.draws, start or config.start))
        given, from_python = self._again(config), is_from_python(config.data)
        if start:
            given = {name: value for name, value in given.items() if name != "net"}
            given |= {"start": start, "recipe": self.plan.recipe or None, "member": config.member}
            given |= dict(map(wish, self.plan.settings)) | {"volume": first.input, "fit": first.fit}
            train(self.data if from_python else config.data, out=place, on_event=heard, **given)
        else:
            train(self.data if from_python else None, config=config, out=place, on_event=heard, **given)

    def _config(self, number: int) -> Config:
        """The config of a member that has begun; together."""
        world = World.join()
        found = world.first(RunFolder(self.folder / str(number)).config() if world.leads else None)
        assert found is not None, "the first process has it"
        return found

    def _whereabouts(self, config: Config) -> str:
        """Where the images are now: given anew where they were moved."""
        return whereabouts(self.data) if isinstance(self.data, str | Path) else config.data

    def _again(self, config: Config) -> dict[str, Any]:
        """The arguments that hold for every member: how it is shown, and what a config only names."""
        given = {
            name: value for name in AGAIN if callable(value := self.arguments.get(name)) or value is True
        }
        if config.is_own:
            given["net"] = self.arguments.get("net")
        return _own_arguments(given)

    def _heard(self, number: int, event: Event) -> None:
        """Passes an event of a member on; a stopped one resumes with the others."""
        if self.on_event is None or not started().leads:
            return
        if isinstance(event, Stopped):
            begun = number > 1 or event.can_resume
            event = replace(event, can_resume=begun, ensemble=self.folder)
        self.on_event(event)

    def _tell(self, on_event: Listener, world: World) -> None:
        """Reports how well each member does on the validation images, and all together; together."""
        first = self._config(1)
        data = self.data if is_from_python(first.data) else self._whereabouts(first)
        found = None
        try:
            if not first.is_own:  # whose code is executed only where that is allowed
                found = evaluate(self.folder, data, split="val", on_bad=first.on_bad)
        except ModelError as error:
            if world.leads:
                on_event(Warned(f"the members cannot answer together: {error}"))
        if world.leads:
            headers = map(read_header, members_in(self.folder))
            each = tuple(Validated.of(header.summary, len(header.classes)) for header in headers)
            on_event(EnsembleDone(self.folder, each, found))

    def _discard(self) -> None:
        """Removes what an ensemble leaves of which no member has come to its first round."""
        (self.folder / PLAN).unlink(missing_ok=True)
        for folder in self.made:
            with suppress(OSError):  # something else is in it
                folder.rmdir()


def _settings(arguments: dict[str, Any]) -> list[str]:
    """The settings among the arguments of `train`, each as TOML."""
    plain = {name: value for name, value in arguments.items() if name not in ELSEWHERE and value is not None}
    freeze = arguments.get("freeze")
    whole = ["freeze = []"] if freeze is not None and not paths_to_freeze(freeze) else []
    return whole + [
        tomli_w.dumps({name: value}).strip()
        for name, value in plain.items()
        if isinstance(value, str | int | float)
    ]


def _own_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a member: a module is copied, so that each begins with the weights it was given."""
    return {
        name: copy.deepcopy(value) if isinstance(value, nn.Module) and name == "net" else value
        for name, value in arguments.items()
    }


def _free() -> Path:
    """The first folder of this name that is not there."""
    return next(path for number in count(1) if not (path := RUNS / f"ensemble-{number}").exists())
