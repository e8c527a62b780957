"""Keras' files: `.keras`, `.h5` and `.json` hold a model's configuration, and all but the last its weights.

Nothing in them is executed: a configuration is JSON, and weights are arrays. Source: Keras 3.15,
`saving/saving_lib.py` and `legacy/saving/legacy_h5_format.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from hubel.errors import ModelError
from hubel.foreign.endings import JSON
from hubel.foreign.keras.weights import ByName, ByOrder, KerasWeights

if TYPE_CHECKING:
    import h5py

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
"""The members of a `.keras` archive. Others, such as vocabularies, are passed over."""

LONGEST = 1 << 28
"""How many bytes a configuration may have: 30 times those of the largest of Keras' own."""

UNREADABLE = (AttributeError, BadZipFile, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What is raised of files that are damaged, or hold something else than Keras writes."""


@dataclass(frozen=True, slots=True, eq=False)
class KerasFile:
    """A file that was opened: the model's configuration, Keras' main version, and its weights, if any."""

    config: dict[str, Any]
    version: int
    weights: KerasWeights | None


@contextmanager
def open_keras(path: Path, weights: Path | None = None, *, bare: bool = False) -> Iterator[KerasFile]:
    """Opens a model's file, with the weights of another file if one is given; with `bare` with none.

    Raises ModelError: a file cannot be read, or has no configuration of a model.
    """
    with ExitStack() as stack:
        try:
            found = _opened(stack, path, bare=bare or weights is not None)
            if weights is not None:
                found = KerasFile(found.config, found.version, weights_of(open_h5(stack, weights)))
        except (
            AttributeError,
            LookupError,
            OSError,
            RuntimeError,
            TypeError,
            ValueError,
            BadZipFile,
        ) as error:
            reason = getattr(error, "strerror", None) or error
            raise ModelError(f"{path} is not a model of Keras, or is cut short ({reason})") from None
        yield found


def weights_of(file: h5py.Group) -> KerasWeights:
    """Returns the weights of an open file, of either kind. Raises ModelError: it has none."""
    import h5py

    inner = isinstance(file.get("model_weights", getlink=True), h5py.HardLink)  # never in another file
    group = file["model_weights"] if inner else file
    if "layer_names" in group.attrs or "layer_names0" in group.attrs:
        return ByName(group)
    if "layers" in file:
        return ByOrder(file)
    raise ModelError(f"{file.file.filename} has no weights of a model of Keras")


def open_h5(stack: ExitStack, path: Path | IO[bytes]) -> h5py.File:
    """Opens a file of arrays. Raises ModelError: it is none, or cannot be read."""
    import h5py

    try:
        return stack.enter_context(h5py.File(path, "r"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{getattr(path, 'name', path)} is not a file of arrays (HDF5): {error}") from None


def _opened(stack: ExitStack, path: Path, *, bare: bool) -> KerasFile:
    if path.suffix.lower() == JSON:
        if path.stat().st_size > LONGEST:
            raise ValueError(f"it has more than {LONGEST:,} bytes")
        config = _parsed(path.read_bytes())
        return KerasFile(config, _version(config.get("keras_version")), None)
    if path.suffix.lower() == ".keras":
        archive = stack.enter_context(ZipFile(path))
        config = _parsed(_member(archive, CONFIG))
        version = _parsed(_member(archive, METADATA)).get("keras_version")
        weights = None
        if not bare:
            weights = weights_of(open_h5(stack, stack.enter_context(archive.open(WEIGHTS))))
        return KerasFile(config, _version(version), weights)
    file = open_h5(stack, path)
    text = file.attrs.get("model_config")
    if text is None:
        raise ModelError(
            f"{path} has weights without their network: name that, --net vgg16; or give its configuration, "
            f"too, written by model.to_json(): hubel import model.json {path.name}"
        )
    config = _parsed(text)
    return KerasFile(config, _version(file.attrs.get("keras_version")), None if bare else weights_of(file))


def _member(archive: ZipFile, name: str) -> bytes:
    """Returns the content of a member. Raises ValueError: it is too long. Raises KeyError: there is none."""
    if archive.getinfo(name).file_size > LONGEST:
        raise ValueError(f"{name} has more than {LONGEST:,} bytes")
    with archive.open(name) as file:
        return file.read(LONGEST)


def _parsed(text: bytes | str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("its configuration is no object")
    return found


def _version(text: Any) -> int:
    """The main version of Keras; 3 where the file does not say it."""
    text = text.decode() if isinstance(text, bytes) else text
    first = str(text or 3).partition(".")[0]
    return int(first) if first.isdecimal() else 3
