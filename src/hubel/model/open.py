"""A model by whatever names it: its file, or a network of the zoo that comes trained."""

from __future__ import annotations

from pathlib import Path

from hubel import zoo
from hubel.errors import UsageError, nearest
from hubel.model.file import Model, load
from hubel.model.pretrained import PRETRAINED, pretrained


def open_model(text: str | Path) -> Model:
    """A model by its file, or by the zoo's name of a network whose trained weights are installed.

    Raises ModelError: no such file, or weights that are not installed.
    Raises UsageError: a network without weights.
    """
    name = str(text).strip()
    if Path(text).is_file():
        return load(text)
    if zoo.known(name):
        return pretrained(name)
    if name.isidentifier():
        raise UsageError(
            f"{name} is neither a model's file nor a trained network{nearest(name, PRETRAINED)}; "
            f"those that come trained: {', '.join(PRETRAINED)}"
        )
    return load(text)
