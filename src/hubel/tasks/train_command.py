"""`hubel train` as the command line calls it: one run, the members of an ensemble, or a run that resumes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hubel.errors import UsageError
from hubel.process import process_began
from hubel.tasks.ensemble import is_of_members, resume_ensemble, train_ensemble
from hubel.tasks.follow import Listener
from hubel.tasks.resume import resume
from hubel.tasks.train import check_unset, train
from hubel.training.settings.config import AUTO, Config
from hubel.training.settings.toml import check_setting, wish


def from_command(arguments: Mapping[str, Any], changes: Iterable[str], on_event: Listener) -> None:
    """Trains with settings as `key=value`, in a time that began with the process.

    `arguments` are those of `train`; `ensemble`, the number of members, and `pretrained`, what the last of
    them start from; and `resume`, the folder of a run that goes through `hubel.resume`.

    Raises UsageError: no such setting, one that is set twice or by an argument of its own, or a resumed run
    with other settings.
    """
    merged = dict(arguments)
    for key, value in map(wish, changes):
        check_unset(key, merged)
        check_setting(key, Config)
        merged[key] = value
    run, members = merged.pop("resume"), merged.pop("ensemble")
    pretrained = merged.pop("pretrained")
    if run is not None:
        _resume(run, merged | {"ensemble": members, "pretrained": pretrained}, on_event)
    elif members is not None:
        train_ensemble(members, pretrained=pretrained, **merged, on_event=on_event)
    elif pretrained:
        raise UsageError(
            "--pretrained is for the last members of an ensemble: name their number with --ensemble; one run "
            "starts from a model with --from"
        )
    else:
        train(**merged, on_event=on_event, began=process_began())


def resumed(run: str | Path, **arguments: Any) -> None:
    """Resumes a run, or the members of an ensemble that are not finished."""
    task: Any = resume_ensemble if is_of_members(run) else resume
    task(run, **arguments)


def _resume(run: Any, arguments: dict[str, Any], on_event: Listener) -> None:
    """Resumes a run. Raises UsageError: settings are given as well."""
    shown = {name: arguments.pop(name) for name in ("tensorboard", "live", "force")}
    if any(value is not None and value != AUTO for value in arguments.values()):
        raise UsageError(
            "a resumed run keeps its settings; leave the other options out, or start a new run from its "
            f"model: hubel train DATA --from {shlex.quote(str(run))}"
        )
    resumed(run, **shown, on_event=on_event)
