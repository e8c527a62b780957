"""Models as files that other programs run. A file is written only if it answers as the model does."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hubel.data.image.modes import as_image
from hubel.data.image.preprocess import Whole
from hubel.engines.engine import AUTO, TORCH, check_engine, installed
from hubel.errors import ModelError, UsageError, nearest
from hubel.files import UNFINISHED
from hubel.graph.seal import metadata_of
from hubel.model.differs import first_difference
from hubel.model.exported import ONNX, OPENVINO, PT2, Exported, open_exported
from hubel.model.graph import RESIZED, frozen_model, onnx_graph
from hubel.module.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubel.data.arrays import Bytes
    from hubel.model.trained import Trained

FORMATS = {"onnx": ONNX, "openvino": OPENVINO, "pt2": PT2}
"""What a model can be exported to, with the ending of its file."""

ENGINES = {"onnx": ("onnxruntime", "openvino"), "openvino": ("openvino",), "pt2": (TORCH,)}
"""The engines that a file is checked by: the first that is installed."""

TOLERANCE = 1e-4
"""The largest difference of a probability, in float32; `RESIZED` where the graph resizes."""

BATCHES = (1, 2, 3)
"""The numbers of images that a file is checked with."""

SCALES = ((0.6, 0.9), (1, 1), (1.7, 2.3), (3.1, 2.2))
"""The sizes of the images that a file which resizes is checked with: heights and widths, in the network's."""


@dataclass(frozen=True, slots=True)
class Check:
    """How an exported file answers: the engine that ran it, and the largest difference of a probability."""

    engine: str
    difference: float


def export_model(
    model: Trained,
    to: str,
    path: Path,
    images: Bytes,
    *,
    raw: bool = False,
    resize: bool = False,
    graph: bytes | None = None,
) -> Check:
    """Writes a model as a file for another program, once that file has been opened and run.

    It is run on one, two and three of `images`, which are pixels after preprocessing. With `raw` its graph
    takes normalised images and gives scores; with `resize` it takes images of any size, and is run on
    `images` of several. A `graph` that was judged already, as one in int8 is, is written as it is, however
    far its probabilities are from the model's.

    Raises UsageError: no such format, or what it needs is not installed. Raises ModelError: the model cannot
    be exported so, or its file answers otherwise; then none is written.
    """
    if to not in FORMATS:
        raise UsageError(f"to is one of {', '.join(FORMATS)}, not {to!r}{nearest(to, FORMATS)}")
    if to != "pt2" and not isinstance(model.network, Network):
        raise ModelError(
            f"a module of your own has no notation to write as {to}; export it to pt2, or write it as a "
            "notation"
        )
    if resize and to == "pt2":
        raise UsageError("a model goes to onnx or openvino with its resize inside, not to pt2")
    if resize and raw:
        raise UsageError("raw leaves out what is before the network, resize takes it in: choose one of them")
    engine = AUTO if graph else checked_by(to)  # a graph in int8 says what runs it
    model.check_trained()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=UNFINISHED) as folder:
        draft = Path(folder) / f"{path.stem}{FORMATS[to]}"
        if to == "pt2":
            from hubel.model.pt2 import pt2_program

            draft.write_bytes(pt2_program(model, raw=raw))
        else:
            _write(to, draft, graph or graph_of(model, raw=raw, resize=resize))
        most = RESIZED if resize else TOLERANCE
        check = _checked(model, open_exported(draft, engine), images, math.inf if graph else most)
        for written in sorted(Path(folder).iterdir()):
            shutil.move(written, path.parent / written.name)
    return check


def checked_by(to: str) -> str:
    """Returns the engine that a file of a format is checked by. Raises UsageError: none is installed."""
    engine = next((name for name in ENGINES[to] if name in installed()), ENGINES[to][0])
    check_engine(engine)
    return engine


def _write(to: str, path: Path, graph: bytes) -> None:
    if to == "onnx":
        path.write_bytes(graph)
        return
    from hubel.engines.openvino import save_openvino

    save_openvino(graph, path, metadata_of(graph))


def graph_of(model: Trained, *, raw: bool = False, resize: bool = False) -> bytes:
    """Returns a model as a sealed ONNX file."""
    assert isinstance(model.network, Network)
    return onnx_graph(model.header, frozen_model(model.network, model.header), raw=raw, resize=resize)


def _checked(model: Trained, exported: Exported, images: Bytes, most: float) -> Check:
    """Compares a file's probabilities with the model's. Raises ModelError: they differ."""
    largest = 0.0
    for given, seen in _asked(model, exported, images):
        wanted = model.probabilities_of(seen).numpy()
        largest = max(largest, float(np.abs(exported.probabilities_of(given) - wanted).max()))
    if not largest <= most:
        where = first_difference(model, exported.name, images[:1])
        raise ModelError(
            f"the exported file answers otherwise: probabilities differ by up to {largest:.2g}, more than "
            f"{most:g}, as {exported.name} runs it{where}. Nothing was written; please report it"
        )
    return Check(exported.name, largest)


def _asked(model: Trained, exported: Exported, images: Bytes) -> Iterator[tuple[Bytes, Bytes]]:
    """What a file is run on, and what its network is to see of it, as Pillow resizes it."""
    if not isinstance(exported.preprocessing, Whole):
        for count in BATCHES:
            some = images[np.arange(count) % len(images)]
            yield some, some
        return
    for down, across in SCALES:
        for pixels in images[: max(BATCHES)]:
            size = math.ceil(across * pixels.shape[1]), math.ceil(down * pixels.shape[0])
            image = as_image(pixels).resize(size, Image.Resampling.BICUBIC)
            yield exported.preprocessing.pixels(image)[None], model.preprocessing.pixels(image)[None]
