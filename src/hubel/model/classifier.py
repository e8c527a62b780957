"""What predicts: a model run by an engine. Where the engine is not torch, torch is not loaded."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel import zoo
from hubel.data.formats.fetch import cache_folder
from hubel.engines.choice import chosen
from hubel.engines.engine import AUTO, TORCH, check_engine, needs_torch
from hubel.errors import ModelError, UsageError
from hubel.files import exists, write_whole
from hubel.graph.seal import metadata_of, read_sealed
from hubel.model.arrays import read_arrays
from hubel.model.exported import ONNX, is_exported, open_exported, open_onnx
from hubel.model.graph import frozen_of, onnx_graph
from hubel.model.header import Header, is_ensemble, model_file, read_metadata
from hubel.model.pretrained import weights_file
from hubel.version import __version__

if TYPE_CHECKING:
    from hubel.model.file import Model
    from hubel.model.prediction import Classifier

SAFETENSORS = ".safetensors"

KEPT = 4 << 30
"""The most bytes that the cache of graphs keeps; those used longest ago go first."""


def classifier(
    where: str | os.PathLike[str] | Model,
    engine: str = AUTO,
    *,
    allow_code: bool = False,
    force: bool = False,
) -> Classifier:
    """Opens what predicts: a model, its file, a run's folder, a trained network's name, or an exported file.

    A folder of runs stands for the ensemble of their best models, which torch runs.

    `engine` is a name of `hubel.engines.engine.NEEDS`; `auto` takes what `hubel bench` found best for this
    file on this machine, else the first of openvino, onnxruntime and torch that is installed. A network made
    by code runs by torch alone. `allow_code` and `force` are as for `hubel.load`.

    The graph that an engine runs is made once and kept in the cache, by the checksum of the model's file.
    Raises ModelError, UsageError: the model or the engine cannot be used.
    """
    check_engine(engine)
    if not isinstance(where, str | os.PathLike):
        return _by_torch(where, engine, allow_code=allow_code, force=force)
    if is_ensemble(where):
        if engine not in (AUTO, TORCH):
            raise UsageError(
                f"the models of an ensemble are run by torch, not by {engine}; leave the engine out"
            )
        from hubel.model.ensemble import open_ensemble  # loads torch

        return open_ensemble(where, allow_code=allow_code, force=force)
    if is_exported(where) and exists(where):
        return open_exported(Path(where).expanduser(), engine)
    source = source_of(where)
    if source is None or not source.is_file():
        return _by_torch(where, engine, allow_code=allow_code, force=force)
    digest = digest_of(source)
    name = chosen(digest) if engine == AUTO else engine
    if _needs_code(source):
        return _by_torch(where, engine, allow_code=allow_code, force=force)
    if needs_torch(name):
        return _by_torch(where, name, allow_code=allow_code, force=force)
    model = _graph(source, where, digest, force=force)
    return open_onnx(model, metadata_of(model), source, name)


def source_of(where: str | os.PathLike[str]) -> Path | None:
    """The file of a model: its own, that of a run's best model, or a trained network's weights; or None."""
    name = where.strip() if isinstance(where, str) else ""
    if not (exists(where) and Path(where).is_file()) and zoo.known(name):
        try:
            return weights_file(name)
        except (KeyError, ModelError):  # it comes without weights, or they are not installed
            return None
    try:
        return model_file(where if isinstance(where, str) else Path(where))
    except ModelError:
        return None


def _by_torch(
    where: str | os.PathLike[str] | Model, engine: str, *, allow_code: bool, force: bool
) -> Classifier:
    from hubel.model.open import open_model  # loads torch

    return open_model(where, allow_code=allow_code, force=force).by(engine)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, by which its graph and the engine chosen for it are kept."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _needs_code(path: Path) -> bool:
    """Whether code makes the network of a model's file."""
    try:
        return path.suffix == SAFETENSORS and "maker" in read_metadata(path)
    except ModelError:
        return False


def _graph(source: Path, where: Any, digest: str, *, force: bool) -> bytes:
    """The graph of a model, from the cache or made anew. Raises ModelError: its file cannot be used."""
    cached = cache_folder() / "engines" / f"{digest}-{__version__}{ONNX}"
    with suppress(ModelError, OSError):  # it is not there, or damaged: then it is made anew
        model, _ = read_sealed(cached)
        cached.touch()
        return model
    if source.suffix == SAFETENSORS:
        metadata = read_metadata(source)
        header = Header.from_metadata(metadata, source)
        frozen = frozen_of(header, read_arrays(source, metadata), source, force=force)
    else:  # weights of another library, which torch reads
        from hubel.model.open import open_model

        opened = open_model(where, force=force)
        header = opened.header
        arrays = {name: value.numpy() for name, value in opened.network.state_dict().items()}
        frozen = frozen_of(header, arrays, source, force=force)
    model = onnx_graph(header, frozen)
    if digest_of(source) == digest:  # else it was replaced meanwhile
        _keep(cached, model)
    return model


def _keep(path: Path, model: bytes) -> None:
    """Keeps a graph in the cache, and deletes those used longest ago if they are too many."""
    with suppress(OSError):  # a full disk, or one that may not be written to
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, model)
        others = sorted(path.parent.glob(f"*{ONNX}"), key=lambda each: each.stat().st_mtime, reverse=True)
        total = 0
        for each in others:
            total += each.stat().st_size
            if total > KEPT and each != path:
                each.unlink()
