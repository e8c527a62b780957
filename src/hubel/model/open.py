"""Opens a model by whatever names it: its file, a run's folder, a network that comes trained, or hf:..."""

from __future__ import annotations

import os
from pathlib import Path

from hubel.errors import ModelError, UsageError, nearest
from hubel.files import exists, is_file
from hubel.model import hub
from hubel.model.exported import is_exported
from hubel.model.file import Model, load
from hubel.model.header import model_file, read_header
from hubel.model.network import Maker, code_at
from hubel.model.pretrained import PRETRAINED, of_hub, pretrained
from hubel.zoo import lookup


def open_model(
    where: str | os.PathLike[str] | Model,
    module: Maker | None = None,
    *,
    allow_code: bool = False,
    force: bool = False,
) -> Model:
    """Opens a model: its file, a run's folder, which stands for its best model, or the zoo's name of a
    network whose trained weights are installed. `hf:OWNER/NAME` is one of the Hugging Face hub, as is a
    folder with such a repository's files. A model is returned as it is, and so is the best model of a run
    that was just trained.

    A file comes before a name of the zoo, and a name before a folder: write `./resnet18` for a folder so
    called. A `Path` is never a name. `module`, `allow_code` and `force` are as `load` takes them.

    Raises ModelError: no such file, a folder that is no run's or has no best model, damage, weights that
    are not installed, or a network that needs code. Raises UsageError: a network without trained weights, or
    any other value.
    """
    if isinstance(where, Model):
        return where
    trained = getattr(where, "trained", None)
    if isinstance(trained, Model) and module is None:
        return trained
    if not isinstance(where, str | os.PathLike):
        raise UsageError(
            f"a trained model is expected here, not {type(where).__name__}: a model's file, a run or its "
            "folder, the name of a network that comes trained, or a Model, which knows its classes"
        )
    where = where if isinstance(where, str) else Path(where)
    if is_exported(where) and is_file(where):
        raise ModelError(
            f"{where}: only predict, evaluate and info take an exported file; give the model that it is of. "
            "A network of another program becomes a model by hubel import"
        )
    name = where.strip() if isinstance(where, str) else ""
    if fetched := hub.fetch(name) if hub.is_hub(name) else hub.laid_out(where):
        return of_hub(fetched)
    if not is_file(where):
        if lookup.known(name):
            return pretrained(name)
        if name.isidentifier() and not exists(where):
            raise UsageError(
                f"{name} is neither a model's file, nor a run's folder, nor a network that comes trained"
                f"{nearest(name, PRETRAINED)}; those that do: {', '.join(PRETRAINED)}"
            )
    return load(where, module, allow_code=allow_code, force=force)


def code_of(where: str | Path) -> str:
    """Returns the name of the code that `allow_code` executes to open a model; empty if there is none."""
    try:
        path = model_file(where)
        header = read_header(path)
    except ModelError:  # a name of the zoo, or nothing that can be opened
        return ""
    return code_at(header.maker, path) if header.maker else ""
