"""`train --ensemble`: several runs on the same images, whose models answer together."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from hubel.errors import UsageError
from hubel.tasks.train import train
from hubel.training.run.folder import RUNS, check_free
from hubel.world import World, started


def train_ensemble(
    members: int, data: Any = None, *, out: str | Path | None = None, **arguments: Any
) -> Path:
    """Trains so many runs in one folder, which `hubel.evaluate` and `hubel.predict` take as a model.

    Each run is what `hubel.train` makes of the other arguments, in a folder called by its number: `time` is
    for each. All hold out the same images; initial weights, the order of the images and their variants
    differ. Without `out` the folder is the first free `runs/ensemble-N`. Returns the folder.

    Source: Krizhevsky et al. 2012, section 6, who averaged five such networks and two pretrained ones.

    Raises UsageError: fewer than two members, or as `hubel.train`.
    """
    if members < 2:
        raise UsageError(f"an ensemble has at least 2 members, not {members}; leave it out for one run")
    folder = Path(out) if out is not None else _free()
    if started().leads:
        check_free(folder)
    for member in range(members):
        train(data, out=folder / str(member + 1), member=member, **arguments)
    return World.join().first(folder)


def _free() -> Path:
    """The first folder of this name that is not there."""
    return next(path for number in count(1) if not (path := RUNS / f"ensemble-{number}").exists())
