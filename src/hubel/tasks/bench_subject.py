"""What `bench` measures: a model, an exported file or an untrained network, and the engines that run it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.engines.engine import TORCH, installed
from hubel.errors import HubelError, UsageError
from hubel.model.classifier import digest_of, source_of
from hubel.model.exported import Exported, is_exported, open_exported, runs_on
from hubel.model.file import Model
from hubel.model.hub import is_hub
from hubel.model.open import open_model
from hubel.module.user_code import is_python

if TYPE_CHECKING:
    from hubel.model.prediction import Classifier


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: its file at `path`, and the `engines` that may run it, the first in float32.

    `by` gives it run by one of them. `digest` is the checksum by which a choice is remembered, if it is.
    `only` is the one engine that `auto` takes whatever is measured, and why.
    """

    trained: Model | Exported
    path: str
    title: str
    engines: tuple[str, ...]
    by: Callable[[str], Classifier]
    digest: str = ""
    only: tuple[str, str] | None = None


@contextmanager
def subject(model: Any, volume: Any, *, allow_code: bool, force: bool) -> Iterator[Subject]:
    """Opens what is to be measured; what is in memory alone gets a file for the time being.

    Raises ModelError, NetworkError, UsageError: it cannot be used.
    """
    named = isinstance(model, str | Path)
    if named and is_exported(model):
        _check_no_volume(volume)
        yield _exported(Path(model).expanduser())
        return
    try:
        opened = open_model(model, allow_code=allow_code, force=force)
    except HubelError:
        if named and (Path(model).exists() or is_hub(str(model))):
            raise
        opened, named = untrained(model, volume), False
    else:
        _check_no_volume(volume)
    engines = installed() if opened.has_notation else (TORCH,)
    title = str(model) if isinstance(model, str | Path) else opened.description
    if named:
        source = source_of(model)
        digest = digest_of(source) if source else ""
        yield Subject(opened, str(model), title, engines, opened.by, digest)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        opened.save(path)
        yield Subject(opened, str(path), title, engines, opened.by)


def _check_no_volume(volume: Any) -> None:
    """Raises UsageError: a volume is given beside a model, which has its own input."""
    if volume is not None:
        raise UsageError("volume (--input) is for a network without a model; a model has its own input")


def _exported(path: Path) -> Subject:
    opened = open_exported(path)
    engines, only = runs_on(path, opened)
    return Subject(
        opened, str(path), str(path), engines, lambda name: open_exported(path, name), digest_of(path), only
    )


def untrained(net: Any, volume: Any) -> Model:
    """A network with random weights as a model, of classes without names.

    Raises UsageError: code makes the network. Raises NetworkError: it cannot be built.
    """
    from hubel.data.image.preprocess import Preprocessing
    from hubel.tasks.network import build

    if isinstance(net, str) and is_python(net):
        raise UsageError(
            f"{net} is a module of your own, whose classes and preprocessing only its model's file knows; "
            "name the file or the run's folder of a trained one, with --allow-code"
        )
    network = build(net, volume, scores=True).eval()
    classes = tuple(f"class {number}" for number in range(network.output.values))
    return Model(network, classes, Preprocessing.of(network.volume))
