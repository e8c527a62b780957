"""Resuming: a stopped run is trained from its last checkpoint to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.data.sources import open_data
from hubel.errors import UsageError
from hubel.model.file import load
from hubel.module.own import OwnNetwork
from hubel.tasks.follow import Listener, Watch, follow, prepare_process
from hubel.tasks.run import Run
from hubel.tasks.trained import trained_network
from hubel.training.run.folder import RunFolder
from hubel.training.run.prepare import Inputs, module_for, prepare
from hubel.training.run.session import Session
from hubel.training.run.tensorboard import check_installed
from hubel.training.settings.config import Config
from hubel.training.settings.own import Augment, Loss, MakeOptimizer, Own

if TYPE_CHECKING:
    from torch import nn


def resume(
    run: str | Path | Run,
    *,
    data: Any = None,
    net: nn.Module | Callable[[], nn.Module] | str | None = None,
    tensorboard: bool = False,
    loss: Loss | None = None,
    optimizer: MakeOptimizer | None = None,
    augmentation: Augment | None = None,
    on_event: Listener | None = None,
) -> Run:
    """Resumes a run from its last checkpoint and returns it finished.

    What the run was given from Python is given again: its `data`, its module as `net`, its `loss`,
    `optimizer` and `augmentation`.

    Raises UsageError: the folder is no run's, another process trains in it, or something is not given again.
    Raises TrainingError: there is no checkpoint, or the training images have changed.
    """
    folder = RunFolder(Path(run))
    config = folder.config()
    if tensorboard:
        check_installed()
    prepare_process()
    watch = Watch(on_event, tensorboard=tensorboard)
    with folder.alone():
        found = None if data is None else open_data(data, val=config.val, seed=config.seed)
        network = _own_network(net, config)
        module = None if network is None else module_for(network)
        inputs = Inputs(
            data=found,
            network=network,
            own=Own(loss, optimizer, augmentation),
            kept=load(folder.best, module) if folder.best.exists() else None,
        )
        prepared = prepare(config, inputs, watch.images, watch.warn)
        session = Session(folder, prepared, prepared.trainer(config))
        session.restore()
        return follow(session, watch)


def _own_network(net: Any, config: Config) -> OwnNetwork | None:
    """The module of the user's own that a run is resumed with. Raises UsageError: it is not given again."""
    if not config.is_own:
        return None
    if net is None:
        raise UsageError(
            f"this run trains a module of your own, {config.net}, which no file can hold; give it again: "
            "net=..., or on the command line --net file.py:name"
        )
    found = trained_network(net, config.input, None).net
    assert isinstance(found, OwnNetwork), "a module or a function that makes one"
    return found
