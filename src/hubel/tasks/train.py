"""Training: from labelled images to a finished run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from hubel.data.augment.policy import Augmentation
from hubel.data.dataset import DataSet
from hubel.data.sources import is_from_python, open_data, whereabouts
from hubel.data.split import with_val
from hubel.errors import UsageError
from hubel.files import exists
from hubel.module.own import OwnNetwork
from hubel.net.algebra import Net
from hubel.net.volume import Volume, VolumeLike
from hubel.process import prepare_process
from hubel.ram import forced
from hubel.tasks.follow import Listener, Watch, begin, left
from hubel.tasks.live import live_page
from hubel.tasks.network import given as given_network
from hubel.tasks.resume import check_given_again, own_network
from hubel.tasks.run import Run
from hubel.training.run.auto import choose, validation_share
from hubel.training.run.events import NetworkChosen
from hubel.training.run.folder import RunFolder, check_free
from hubel.training.run.prepare import Inputs
from hubel.training.run.tensorboard import check_installed
from hubel.training.settings.config import AUTO, NONE, Config
from hubel.training.settings.own import Augment, Loss, MakeOptimizer, Own
from hubel.training.settings.recipes import NETWORKS, too_few
from hubel.training.settings.toml import FROM_PYTHON, changed
from hubel.world import World, started

if TYPE_CHECKING:
    from torch import nn

    from hubel.training.settings.recipe import Recipe

UNITS = {"s": 1, "m": 60, "h": 3600}

NAMED = {"data": "data (DATA)", "net": "net (--net)", "input": "volume (--input)", "start": "start (--from)"}
"""Settings that are chosen before all others, and the arguments that choose them."""


def train(
    data: Any = None,
    *,
    net: str | Net | nn.Module | Callable[[], nn.Module] | None = None,
    volume: VolumeLike | None = None,
    time: str | float | None = None,
    target: float | None = None,
    recipe: str | Recipe | None = None,
    start: str | Path = AUTO,
    freeze: str | Sequence[str] | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    lr: float | None = None,
    val: float | None = None,
    fit: str | None = None,
    range: str | None = None,  # noqa: A002 - the setting's name
    on_bad: str | None = None,
    balance: str | None = None,
    seed: int | None = None,
    keep_epochs: bool | None = None,
    patience: int | None = None,
    exact_statistics: bool | None = None,
    tensorboard: bool = False,
    live: bool = False,
    force: bool = False,
    out: str | Path | None = None,
    config: str | Path | Config | None = None,
    loss: Loss | None = None,
    optimizer: str | MakeOptimizer | None = None,
    augmentation: Augmentation | Augment | None = None,
    on_event: Listener | None = None,
    began: float | None = None,
    **settings: Any,
) -> Run:
    """Trains a network on labelled images and returns the finished run.

    `data` is a folder of images, the name of a set, or labelled images in Python
    (`hubel.data.sources.open_data`). `net` is a network, a text that names one, an `nn.Module` or a function
    that makes one; the last two need the `volume` of their input, (height, width, depth). Without `net` a
    paper's recipe takes that paper's network; else hubel chooses the network, its input and the recipe by the
    data, the machine and the `time` that the whole run may take, such as `"10m"`. `start` is the starting
    model: a file, a run's folder, a name, `auto` or `none`. `freeze` names parts that do not learn, `none` no
    part; a timed run that starts from a model decides it, unless it is given. Any other setting of a config
    or a recipe is a keyword argument, such as `label_smoothing=0.0`. `config` repeats the run of a
    config.toml; what that took from Python is passed again, as `data`, `net` and the functions. With `force`
    networks may take all of the machine's memory, not only what is free.

    With `live` a page in the browser shows the run while it goes, for this machine alone.

    `loss`, `optimizer` and `augmentation` take functions of your own (`hubel.training.settings.own`).
    `on_event` is called with every event of the run (`hubel.training.run.events`). `began` is when the time
    of a timed run starts, on the scale of `time.perf_counter`; by default now. The process keeps the memory
    it frees and computes on all cores it may use from now on (`prepare_process`). Processes that torchrun or
    the like has started train together: the first writes the run and calls `on_event`, all return it.

    Raises UsageError: arguments that do not go together, or an unknown setting. Raises DataError,
    NetworkError, ModelError: the images, the network or the starting model cannot be used. Raises
    TrainingError: the loss is no longer finite.
    """
    began = perf_counter() if began is None else began
    own = Own.of(loss, optimizer, augmentation)
    given = {"epochs": epochs, "batch": batch, "lr": lr, "val": val, "fit": fit, "range": range}
    given |= {
        "on_bad": on_bad,
        "balance": balance,
        "seed": seed,
        "keep_epochs": keep_epochs,
        "target": target,
        "patience": patience,
        "exact_statistics": exact_statistics,
    }
    wishes = own.recorded | _wishes(given | _translated(time, freeze, optimizer, augmentation), settings)
    if data is None and config is None:
        raise UsageError("say what to train on: data (DATA), or config (--config FILE)")
    world = World.join()
    watch = _watch(on_event, out, world, tensorboard=tensorboard)
    choice = Choice(net, volume, recipe, start)
    with forced(force), world.unbroken(), live_page(watch, wanted=live and world.leads):
        if config is not None:
            asked = _of_config(config, data, choice, wishes, own)
        else:
            asked = _of_data(data, choice, wishes, own, began=began, watch=watch)
        asked = asked.agreed(world)
        if not world.leads:
            return begin(None, asked.config, asked.inputs, watch, began)
        folder = RunFolder.create(None if out is None else Path(out), *asked.name)
        with folder.reserved():
            return begin(folder, asked.config, asked.inputs, watch, began)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was given of the network; hubel chooses the rest."""

    net: Any = None
    volume: VolumeLike | None = None
    recipe: str | Recipe | None = None
    start: str | Path = AUTO


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that is about to begin: its config, what it is handed besides, and how its folder is named."""

    config: Config
    inputs: Inputs
    name: tuple[str, str]

    def agreed(self, world: World) -> Asked:
        """The run that the first process is asked for, which may have chosen by its own speed; together."""
        config = world.first(self.config)
        other = config.net != self.config.net
        network = None if other else self.inputs.network
        return replace(self, config=config, inputs=replace(self.inputs, network=network, world=world))


def seconds(time: str | float) -> float:
    """A time in seconds: a number, or a text such as `90s`, `10m` or `1h30m`.

    Raises UsageError: it is written otherwise, or not above 0.
    """
    if isinstance(time, str) and not re.fullmatch(r"(\d+(\.\d+)?[hms])+", time):
        raise UsageError(f"a time is written like 90s, 10m or 1h30m, not {time!r}")
    if not isinstance(time, str | int | float):
        raise UsageError(f"a time is a number of seconds or a text such as 10m, not {time!r}")
    if isinstance(time, str):
        total = sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)([hms])", time))
    else:
        total = float(time)
    if not 0 < total < float("inf"):
        raise UsageError(f"a time is above 0, such as 90s, 10m or 1h30m, not {time!r}")
    return total


def _watch(on_event: Listener | None, out: str | Path | None, world: World, *, tensorboard: bool) -> Watch:
    """Who listens to the run, once all is there that it needs, and the process is ready."""
    if tensorboard:
        check_installed()
    if out is not None and world.leads:
        check_free(Path(out))
    prepare_process()
    return Watch(on_event if world.leads else None, tensorboard=tensorboard)


def _translated(
    time: str | float | None,
    freeze: str | Sequence[str] | None,
    optimizer: str | MakeOptimizer | None,
    augmentation: Augmentation | Augment | None,
) -> dict[str, Any]:
    """The settings that arguments stand for which may take another form than their setting."""
    found: dict[str, Any] = {
        "seconds": None if time is None else seconds(time),
        "freeze": None if freeze is None else paths_to_freeze(freeze),
        "optimizer": optimizer if isinstance(optimizer, str) else None,
    }
    if isinstance(augmentation, Augmentation):
        found |= {item.name: getattr(augmentation, item.name) for item in fields(augmentation)}
    return found


def paths_to_freeze(freeze: str | Sequence[str]) -> tuple[str, ...]:
    """The parts that do not learn; the word `none` stands for no part.

    Raises UsageError: `none` beside others.
    """
    paths = (freeze,) if isinstance(freeze, str) else tuple(freeze)
    if NONE in paths and len(paths) > 1:
        raise UsageError("freeze (--freeze) is none, for no part, or names parts, not both; leave none out")
    return () if paths == (NONE,) else paths


def _wishes(given: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that were given, by name. Raises UsageError: one that has an argument of its own."""
    wishes = {name: value for name, value in given.items() if value is not None}
    for key, value in settings.items():
        check_unset(key, wishes)
        wishes[key] = value
    return wishes


def check_unset(key: str, taken: Mapping[str, Any]) -> None:
    """Raises UsageError: a setting that has an argument of its own, or is set already."""
    if key in NAMED:
        raise UsageError(f"{key} is no setting to change: set it with {NAMED[key]}")
    if key.startswith(FROM_PYTHON):
        raise UsageError(f"{key} is no setting: give the function as {key.removeprefix(FROM_PYTHON)}=...")
    if taken.get(key) is not None:
        raise UsageError(f"{key} is set twice; leave one")


def _check_pace(config: Config, wishes: dict[str, Any]) -> None:
    """Raises UsageError: epochs are asked for in a timed run."""
    if config.seconds and "epochs" in wishes:
        raise UsageError(
            "a run goes by the clock or by epochs: leave out the time (--time, or a config's seconds), or "
            "--epochs"
        )


def _check_val(data: DataSet, wishes: dict[str, Any]) -> None:
    """Raises UsageError: a share is to be held out of a set that has a validation split."""
    if data.val is not None and "val" in wishes:
        raise UsageError(f"{data.name} has a validation split, of which --val takes no share; leave it out")


def _of_data(
    data: Any, choice: Choice, wishes: dict[str, Any], own: Own, *, began: float, watch: Watch
) -> Asked:
    """A run on data, with the network asked for or the one that suits the data, the machine and the time."""
    found = open_data(data, val=0)
    _check_val(found, wishes)
    wishes = {"val": validation_share(len(found.train)), **wishes}
    asked = changed(Config("", "", ""), wishes)  # mistakes are reported before anything is measured
    _check_pace(asked, wishes)
    found = with_val(found, asked.val, asked.seed)
    start, net = str(choice.start), choice.net
    if net is None and start in (AUTO, NONE) and isinstance(choice.recipe, str):
        net = NETWORKS.get(choice.recipe)
    network = None if net is None else given_network(net, choice.volume, found)
    chosen = choose(
        found,
        network=None if network is None else (network.short, network.trainable(), network.volume),
        volume=None if choice.volume is None else Volume.of(choice.volume),
        recipe=choice.recipe,
        start=start,
        seconds=left(asked.seconds, began),
        settings=wishes,
        processes=started().size,
    )
    if text := too_few(choice.recipe, len(found.train)):
        watch.warn(text)
    watch(NetworkChosen(chosen, asked=start != AUTO))
    candidate = chosen.candidate
    config = Config(
        data=whereabouts(data),
        net=candidate.net.maker if isinstance(candidate.net, OwnNetwork) else repr(candidate.net),
        input=str(candidate.volume),
        start=_absolute(chosen.start),
        freeze=candidate.freeze,
        recipe=candidate.recipe,
    )
    inputs = Inputs(data=found, network=candidate.net, own=own)
    return Asked(changed(config, wishes), inputs, (Path(found.name).name, candidate.name))


def _absolute(start: str) -> str:
    """A starting model as a config names it: the place of a file or a run, from anywhere; a name as it is."""
    return str(Path(start).resolve()) if start and exists(start) else start


def _of_config(
    config: str | Path | Config, data: Any, choice: Choice, wishes: dict[str, Any], own: Own
) -> Asked:
    """A run that a config describes; settings take precedence over it.

    What the config can only name is given again: images from Python as `data`, a module as `choice.net`.
    """
    read = config if isinstance(config, Config) else Config.from_toml(Path(config))
    if data is not None and not is_from_python(read.data):
        raise UsageError(f"the config names its images, {read.data}; leave data (DATA) out")
    if choice != Choice(net=choice.net):
        raise UsageError("the config names its input, recipe and start; leave volume and the like out")
    check_given_again(read, data, choice.net, own)
    network = own_network(choice.net, read)
    asked = changed(read, wishes)
    asked = replace(asked, data=whereabouts(asked.data))
    _check_pace(asked, wishes)
    found = open_data(asked.data if data is None else data, val=0)
    _check_val(found, wishes)
    found = with_val(found, asked.val, asked.seed)
    return Asked(asked, Inputs(data=found, network=network, own=own), (Path(found.name).name, "config"))
