"""Resuming: a stopped run is trained from its last checkpoint to its end."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from hubel.data.sources import is_from_python, open_data, whereabouts
from hubel.errors import ModelError, TrainingError, UsageError, shortened
from hubel.files import exists
from hubel.model.file import Model, load
from hubel.model.header import members_in
from hubel.module.own import OwnNetwork
from hubel.module.user_code import is_python
from hubel.net.algebra import Net
from hubel.process import prepare_process
from hubel.ram import forced
from hubel.tasks.follow import Listener, Watch, begin, follow, follow_along, same_model
from hubel.tasks.live import live_page
from hubel.tasks.network import given
from hubel.tasks.run import Run
from hubel.training.run.checkpoint import Checkpoint
from hubel.training.run.folder import RunFolder
from hubel.training.run.prepare import Inputs, prepare
from hubel.training.run.session import Session
from hubel.training.run.tensorboard import check_installed
from hubel.training.settings.config import Config
from hubel.training.settings.own import Augment, Loss, MakeOptimizer, Own
from hubel.training.settings.toml import FROM_PYTHON
from hubel.world import World

if TYPE_CHECKING:
    from torch import nn


OVER = (
    "this run is finished, nothing is left to train; its last evaluation and report are made again. To train "
    "on from its model: hubel train DATA --from {run}; to train longer from the start: "
    "hubel train --config {run}/config.toml --epochs N --out NEW, or with another time"
)
"""The warning of a finished run."""

NO_ROUNDS = (
    "{run}: this run is finished, but its metrics.jsonl has no rounds, of which the report is made; restore "
    "that file. The model is whole: hubel predict {run} IMAGE"
)
"""The error of a finished run without its rounds."""


MOVED = "the images of this run are not at {}; say where they are: data, on the command line --data NEW"
"""The error of a run whose images were moved."""


def resume(
    run: str | Path | Run,
    *,
    data: Any = None,
    net: nn.Module | Callable[[], nn.Module] | str | None = None,
    tensorboard: bool = False,
    live: bool = False,
    force: bool = False,
    loss: Loss | None = None,
    optimizer: MakeOptimizer | None = None,
    augmentation: Augment | None = None,
    on_event: Listener | None = None,
) -> Run:
    """Resumes a run from its last checkpoint and returns it finished.

    What the run was given from Python is given again: its `data`, its module as `net`, its `loss`,
    `optimizer` and `augmentation`. Where its images have been moved, `data` is their new place. With `live` a
    page shows the run while it goes. With `force` its network may take all of the machine's memory, not only
    what is free. It may resume in another number of processes than it has begun in; they are as for `train`.

    Raises UsageError: the folder is no run's, another process trains in it, or something is not given again.
    Raises TrainingError: its checkpoints or metrics are damaged, or the images have changed.
    """
    if not RunFolder(Path(run)).is_run and members_in(run):
        raise UsageError(f"{run} is an ensemble: hubel.resume_ensemble continues its members")
    folder, own, world = RunFolder(Path(run)), Own(loss, optimizer, augmentation), World.join()
    with world.unbroken():
        config = world.first(folder.config() if world.leads else None)
        assert config is not None, "the first process has it"
        if isinstance(data, str | Path):
            config = replace(config, data=whereabouts(data))
        elif data is None and Path(config.data).is_absolute() and not exists(config.data):
            raise UsageError(MOVED.format(config.data))
        check_given_again(config, data, net, own)
        if tensorboard:
            check_installed()
        prepare_process()
        watch = Watch(on_event if world.leads else None, tensorboard=tensorboard)
        alone = folder.alone() if world.leads else nullcontext()
        with forced(force), alone, live_page(watch, wanted=live and world.leads):
            inputs = Inputs(
                data=None if data is None else open_data(data, val=config.val, seed=config.seed),
                network=own_network(net, config),
                own=own,
                world=world,
            )
            if world.leads:
                return _resumed(folder, config, inputs, watch)
            return _resumed_along(config, inputs, watch)


def _resumed(folder: RunFolder, config: Config, inputs: Inputs, watch: Watch) -> Run:
    """Resumes a run in its folder, which this process keeps to itself."""
    world = inputs.world
    if warning := folder.repair():
        watch.warn(warning)
    checkpoint = folder.checkpoint()
    world.first(checkpoint is not None)
    if checkpoint is None:
        watch.warn(f"{folder.folder} has no checkpoint yet; the run starts again from its first step")
        return begin(folder, config, inputs, watch, perf_counter())
    if checkpoint.is_previous:
        watch.warn("the last checkpoint is damaged or missing; the run resumes from the one before")
    kept = _best(folder, inputs.network, watch)
    same_model(folder.best if kept else None, load, world)
    prepared = prepare(config, replace(inputs, kept=kept), watch.images, watch.warn)
    session = Session(folder, prepared, prepared.trainer(config))
    session.restore(checkpoint)
    if config.data != folder.config().data:
        folder.write_config(config)
    world.first(checkpoint)
    if session.is_over:
        if not folder.metrics():
            raise TrainingError(NO_ROUNDS.format(run=shlex.quote(str(folder.folder))))
        watch.warn(OVER.format(run=shlex.quote(str(folder.folder))))
    return follow(session, watch)


def _resumed_along(config: Config, inputs: Inputs, watch: Watch) -> Run:
    """Resumes a run beside the first process, which alone has its folder; step for step as `_resumed`."""
    world = inputs.world
    if not world.first(True):  # what the first says takes its place
        return begin(None, config, inputs, watch, perf_counter())
    kept = same_model(None, partial(_loaded, network=inputs.network), world)
    prepared = prepare(config, replace(inputs, kept=kept))
    trainer = prepared.trainer(config)
    checkpoint = world.first(Checkpoint({}, {}))
    checkpoint.bring_back(trainer)
    return follow_along(prepared, trainer)


def _loaded(path: Path, network: Net | OwnNetwork | None) -> Model:
    """A model of a run from its file; the weights of a user's own module go into a copy of it."""
    return load(path, network.spare() if isinstance(network, OwnNetwork) else None)


def _best(folder: RunFolder, network: Net | OwnNetwork | None, watch: Watch) -> Model | None:
    """The best model so far; one that is damaged is set aside."""
    if not folder.best.exists():
        return None
    try:
        return _loaded(folder.best, network)
    except ModelError as error:
        aside = folder.best.with_suffix(".damaged")
        watch.warn(f"{error}. It is kept as {aside}; the model of the last checkpoint takes its place")
        folder.best.replace(aside)
        return None


def check_given_again(config: Config, data: Any, net: Any, own: Own) -> None:
    """Raises UsageError: several things that a config can only name are missing; it lists all of them.

    One alone is asked for where it is used.
    """
    names = {
        "data": config.data if is_from_python(config.data) else "",
        "net": config.net if config.is_own else "",
        **{setting.removeprefix(FROM_PYTHON): name for setting, name in config.own.items()},
    }
    given = {"data": data, "net": net, **{item.name: getattr(own, item.name) for item in fields(own)}}
    missing = [name for name, text in names.items() if text and given[name] is None]
    if len(missing) > 1:
        raise UsageError(
            "this run took from Python what its config only names: "
            f"{', '.join(f'{name} {shortened(names[name])}' for name in missing)}. Pass all of it again: "
            f"{', '.join(f'{name}=...' for name in missing)}"
        )


def own_network(net: Any, config: Config) -> OwnNetwork | None:
    """The module of the user's own that a config names, given again; None where it names none.

    Raises UsageError: no module, or a network for a config that has its own.
    """
    if not config.is_own:
        if net is not None:
            raise UsageError("the network is in the run's config; leave net (--net) out")
        return None
    if net is None:
        raise UsageError(
            f"this run trains a module of your own, {config.net}; config.toml keeps only its name: pass it "
            "again, net=..., or on the command line --net file.py:name"
        )
    if isinstance(net, Net) or (isinstance(net, str) and not is_python(net)):
        raise UsageError(f"this run trains a module of your own, {config.net}; {net!r} is another network")
    found = given(net, config.input).trainable()
    assert isinstance(found, OwnNetwork), "neither a value nor a text"
    return found
