"""An exported model: a file that a runtime runs, with all it takes to use it. Needs no torch.

Its graph takes uint8 images and gives probabilities; exported with `--resize` they are of any size. Exported
with `--raw` it takes normalised images and gives scores, and then the rest is done here, in NumPy.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.cores import processor
from hubel.data.image.preprocess import Preprocessing, Whole
from hubel.engines.choice import chosen
from hubel.engines.engine import AUTO, TORCH, Engine, check_engine, installed, needs_torch
from hubel.errors import HubelError, ModelError, UsageError, shortened
from hubel.files import parse_json
from hubel.graph.seal import CHECKSUM, read_sealed
from hubel.model.header import EXPORTED, INT8, KNOWN, RAW, RESIZE, Header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hubel.data.arrays import Bytes, Flags
    from hubel.engines.onnxruntime import OnnxRuntime
    from hubel.engines.openvino import OpenVino
    from hubel.graph.frozen import Floats

ONNX, OPENVINO, PT2 = EXPORTED


@dataclass(frozen=True, slots=True)
class Exported:
    """A model as a graph that `engine` runs; `name` is the engine's name.

    `preprocessing` is `Whole` if the graph resizes images itself. `raw` and `int8` say whether it takes
    normalised images, and whether it computes in int8.
    """

    header: Header
    preprocessing: Preprocessing
    engine: Engine
    name: str
    raw: bool = False
    int8: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return self.header.classes

    @property
    def summary(self) -> dict[str, Any]:
        """How the model was trained."""
        return self.header.summary

    @property
    def seen(self) -> None:
        """The marks of the training images, which an exported file does not have."""
        return

    def saw(self, found: Sequence[bytes]) -> Flags:
        """Which images the model was trained on, as far as is known: of none."""
        return np.zeros(len(found), np.bool_)

    def check_trained(self) -> None:
        """Raises ModelError: the head was never trained."""
        self.header.check_trained()

    def probabilities_of(self, pixels: Bytes) -> Floats:
        """Returns float32, images x classes, for images after preprocessing: uint8, n x h x w x depth.

        They are of the network's size, unless the graph resizes them.
        Raises ModelError: the network's scores are not finite.
        """
        if self.raw:
            scores = self.scores_of(pixels) / np.float32(self.header.temperature)
            powers = np.exp(scores - scores.max(1, keepdims=True))
            found: Floats = powers / powers.sum(1, keepdims=True)
        else:
            found = self.engine(pixels)
        if not np.isfinite(found).all():
            raise ModelError("the model's scores are not finite: its weights are of no use; train it again")
        return found

    def scores_of(self, pixels: Bytes) -> Floats:
        """The mean of the scores over the model's views, of a graph that takes normalised images."""
        mean, std = (np.array(each, np.float32) for each in (self.preprocessing.mean, self.preprocessing.std))
        images = pixels.astype(np.float32) * (1 / (255 * std)) - mean / std
        maps = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        shown = [(1.0, maps)]
        if self.header.views == "mirror-shift":
            padded = np.pad(maps, ((0, 0), (0, 0), (1, 1), (1, 1)), "reflect")
            shown = [(0.5, maps), (0.25, padded[..., 2:, 2:]), (0.25, padded[..., :-2, :-2])]
        if self.header.views != "one":
            shown = [(weight / 2, view) for weight, each in shown for view in (each, each[..., ::-1])]
        total: Any = sum(weight * self.engine(np.ascontiguousarray(view)) for weight, view in shown)
        found: Floats = total.astype(np.float32)
        return found


def is_exported(where: object) -> bool:
    """Whether a path has the ending of an exported file."""
    return str(where).lower().endswith(EXPORTED)


def open_exported(path: Path, engine: str = AUTO) -> Exported:
    """Opens an exported file: ONNX, OpenVINO or PyTorch's pt2.

    Raises ModelError: the file cannot be read, is damaged, or was not exported by hubel. Raises UsageError:
    the engine is not installed, or does not run such a file.
    """
    check_engine(engine)
    check_file(path)
    suffix = path.suffix.lower()
    if suffix == ONNX:
        model, metadata = read_sealed(path)
        return open_onnx(model, metadata, path, engine)
    if suffix == OPENVINO:
        return _open_openvino(path, engine)
    from hubel.model.pt2 import open_pt2  # the one kind of file that needs torch

    if engine not in {AUTO, TORCH}:
        raise UsageError(f"{path.name} is run by torch, not by {engine}")
    program, metadata = open_pt2(path)
    header, preprocessing, raw = described(metadata, path)
    return Exported(header, preprocessing, program, TORCH, raw)


def runs_on(path: Path, opened: Exported) -> tuple[tuple[str, ...], tuple[str, str] | None]:
    """The installed engines that run an exported file, and the one that `auto` always takes, with the reason.

    `auto` has a choice only for ONNX in float32.
    """
    suffix = path.suffix.lower()
    if suffix == PT2:
        return (TORCH,), (TORCH, "the one engine that runs such a file")
    engines = {"openvino", "openvino-bf16"} | ({"onnxruntime"} if suffix == ONNX else set())
    engines -= {"openvino-bf16"} if opened.int8 else set()
    there = tuple(name for name in installed() if name in engines)
    if opened.int8:
        return there, (opened.name, "the engine that the int8 file was judged with")
    return there, ("openvino", "the engine that such a file is for") if suffix == OPENVINO else None


def check_file(path: Path) -> None:
    """Raises ModelError: there is no such file."""
    if not path.is_file():
        raise ModelError(f"{path} {'is not a file' if path.exists() else 'does not exist'}")


def open_onnx(model: bytes, metadata: dict[str, str], path: Path, engine: str) -> Exported:
    """Opens an ONNX model by an engine. Raises ModelError, UsageError: as `open_exported`."""
    header, preprocessing, raw = described(metadata, path)
    if INT8 in metadata:
        judged = _judged(metadata, path)
        engine = judged if engine == AUTO and judged in installed() else engine
    if engine == AUTO:
        engine = chosen(hashlib.sha256(model).hexdigest())
        if needs_torch(engine):
            engine = "openvino" if "openvino" in installed() else "onnxruntime"
    check_engine(engine)
    if needs_torch(engine):
        raise UsageError(f"{path.name} is run by onnxruntime or openvino, not by {engine}")
    return Exported(header, preprocessing, compiled(model, engine), engine, raw, INT8 in metadata)


def compiled(model: bytes, engine: str) -> OnnxRuntime | OpenVino:
    """An ONNX model as an engine runs it. Raises ModelError: the engine cannot take it."""
    if engine == "onnxruntime":
        from hubel.engines.onnxruntime import OnnxRuntime

        return OnnxRuntime(model)
    from hubel.engines.openvino import OpenVino

    return OpenVino(model, bfloat16=engine.endswith("-bf16"))


def described(metadata: dict[str, str], path: Path) -> tuple[Header, Preprocessing, bool]:
    """What an exported file says of itself: its header, how images are read for it, whether it is raw.

    Raises ModelError: it is none of hubel's, or damaged.
    """
    if "format" not in metadata:
        raise ModelError(
            f"{path} was not exported by hubel: it says nothing of its classes and preprocessing. To make "
            f"a model of it: hubel import {path.name}"
        )
    known = {name: text for name, text in metadata.items() if name in KNOWN - {CHECKSUM}}
    header = Header.from_metadata(known, path)
    try:
        read = Whole if RESIZE in metadata else Preprocessing
        preprocessing = read.from_json(header.preprocessing)
    except HubelError as error:
        raise ModelError(f"{path}: its metadata cannot be used: {shortened(str(error), 300)}") from None
    return header, preprocessing, RAW in metadata


def int8_of(metadata: dict[str, str], path: Path) -> dict[str, Any]:
    """What a file in int8 says of how it was judged; else nothing. Raises ModelError: it is damaged."""
    try:
        about = parse_json(metadata.get(INT8, "{}"))
        if INT8 in metadata:
            texts = {name: str(about[name]) for name in ("engine", "processor")}
            return dict(about) | texts | {"drop": float(about["drop"]), "images": int(about["images"])}
    except (ValueError, TypeError, KeyError, OverflowError):
        raise ModelError(f"{path}: what it says of int8 is damaged; export it again") from None
    return {}


def _judged(metadata: dict[str, str], path: Path) -> str:
    """The engine that a graph in int8 was judged with; warns if it was judged on another processor."""
    about = int8_of(metadata, path)
    if about["processor"] != processor():
        warnings.warn(
            f"{path.name} is in int8 and was judged on another processor ({about['processor']}): its "
            "accuracy may differ here; judge it on this one: hubel evaluate FILE DATA",
            stacklevel=4,
        )
    return str(about["engine"])


def read_openvino(path: Path, *, bfloat16: bool = False) -> tuple[OpenVino, dict[str, str]]:
    """Opens OpenVINO's files.

    Raises ModelError: they cannot be read, are damaged, or none of hubel's. Raises UsageError: OpenVINO is
    not installed.
    """
    try:
        from hubel.engines.openvino import OpenVino
    except ModuleNotFoundError:
        raise UsageError(f'{path.name} is read by OpenVINO: pip install "hubel[openvino]"') from None

    runs = OpenVino(path, bfloat16=bfloat16)
    metadata = runs.metadata()
    described(metadata, path)
    weights = path.with_suffix(".bin")
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{weights} cannot be read: {error.strerror}") from None
    if metadata.get(CHECKSUM, "") != digest:
        raise ModelError(f"{weights} is damaged, or not the one that {path.name} was exported with")
    return runs, metadata


def _open_openvino(path: Path, engine: str) -> Exported:
    if engine not in {AUTO, "openvino", "openvino-bf16"}:
        raise UsageError(f"{path.name} is run by openvino, not by {engine}")
    engine = "openvino" if engine == AUTO else engine
    check_engine(engine)
    runs, metadata = read_openvino(path, bfloat16=engine.endswith("-bf16"))
    if INT8 in metadata:
        _judged(metadata, path)
    header, preprocessing, raw = described(metadata, path)
    return Exported(header, preprocessing, runs, engine, raw, INT8 in metadata)
