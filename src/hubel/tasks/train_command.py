"""`hubel train` as the command line calls it: one run, the members of an ensemble, or a run that resumes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from hubel.errors import UsageError
from hubel.process import process_began
from hubel.tasks.ensemble import train_ensemble
from hubel.tasks.follow import Listener
from hubel.tasks.resume import resume
from hubel.tasks.train import check_unset, train
from hubel.training.settings.config import AUTO, Config
from hubel.training.settings.toml import check_setting, wish


def from_command(arguments: Mapping[str, Any], changes: Iterable[str], on_event: Listener) -> None:
    """Trains with settings as `key=value`, in a time that began with the process.

    `arguments` are those of `train`; `ensemble`, the number of members; and `resume`, the folder of a run
    that goes through `hubel.resume`.

    Raises UsageError: no such setting, one that is set twice or by an argument of its own, or a resumed run
    with other settings.
    """
    merged = dict(arguments)
    for key, value in map(wish, changes):
        check_unset(key, merged)
        check_setting(key, Config)
        merged[key] = value
    run, members = merged.pop("resume"), merged.pop("ensemble")
    if run is None and members is not None:
        train_ensemble(members, **merged, on_event=on_event)
    elif run is None:
        train(**merged, on_event=on_event, began=process_began())
    else:
        _resume(run, merged | {"ensemble": members}, on_event)


def _resume(run: Any, arguments: dict[str, Any], on_event: Listener) -> None:
    """Resumes a run. Raises UsageError: settings are given as well."""
    shown = {name: arguments.pop(name) for name in ("tensorboard", "live", "force")}
    if any(value is not None and value != AUTO for value in arguments.values()):
        raise UsageError(
            "a resumed run keeps its settings; leave the other options out, or start a new run from its "
            f"model: hubel train DATA --from {shlex.quote(str(run))}"
        )
    resume(run, **shown, on_event=on_event)
