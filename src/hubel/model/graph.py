"""A model as an ONNX graph, and as an engine that runs it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary
from zlib import crc32

from hubel.data.image.preprocess import Preprocessing
from hubel.engines.engine import CUDA, needs_torch
from hubel.graph.frozen import freeze
from hubel.graph.seal import sealed
from hubel.model.exported import Exported, compiled
from hubel.model.header import INT8, RESIZE, Header
from hubel.net.memory import bytes_to_run
from hubel.net.trace import INPUT
from hubel.process import prepare_process
from hubel.ram import check_fits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from hubel.engines.engine import Engine
    from hubel.graph.frozen import Floats, Frozen
    from hubel.graph.onnx import Ends
    from hubel.graph.quantise import Quantisation
    from hubel.module.network import Network

RESIZED = 5e-3
"""The largest difference of a probability where the graph resizes: it rounds a few pixels otherwise."""

ANY_SIZE = (
    "upright images of 8 bits and any size in; a pixel differs from Pillow's by at most 1 of 255, "
    f"a probability by at most {RESIZED:g}"
)
"""What a file says that resizes."""

SAMPLE = 4096
"""How many values of a tensor are looked at to see whether it has changed."""

DTYPES = {"bf16": "bfloat16", "fp16": "float16"}
"""The type of numbers that the end of an engine's name stands for, by torch's name."""

_engines: WeakKeyDictionary[Network, dict[str, tuple[object, Exported]]] = WeakKeyDictionary()


def frozen_of(header: Header, state: Mapping[str, npt.NDArray[Any]], path: Path, *, force: bool) -> Frozen:
    """Returns the network of a model's file with its weights.

    Raises ModelError: parts do not fit together, or the head was never trained. Raises NetworkError: it needs
    more memory than is free, or with `force` than there is.
    """
    header.check_trained()
    frozen = freeze(header.net, header.volume, state)
    check_fits("the network", bytes_to_run(frozen.steps), force=force)
    seen = Preprocessing.from_json(header.preprocessing).volume
    header.check_parts(seen, frozen.output.values, path)
    return frozen


def frozen_model(network: Network, header: Header) -> Frozen:
    """Returns a network in memory, frozen. Raises ModelError, NetworkError: as `frozen_of`."""
    state = network.state_dict()
    arrays = {name: value.detach().cpu().float().numpy() for name, value in state.items()}
    return frozen_of(header, arrays, Path("the model"), force=True)


def onnx_graph(
    header: Header,
    frozen: Frozen,
    *,
    raw: bool = False,
    resize: bool = False,
    int8: Quantisation | None = None,
    about: dict[str, Any] | None = None,
) -> bytes:
    """Returns a model as a sealed ONNX file: uint8 images in, probabilities out.

    With `resize` they are of any size; with `raw`, see `Ends`.
    `about` says how a graph in `int8` was judged; it becomes an entry of the metadata.
    """
    from hubel.graph.onnx import onnx_model  # needs onnx

    texts = header.to_exported(raw=raw)
    texts |= {} if about is None else {INT8: json.dumps(about)}
    texts |= {RESIZE: ANY_SIZE} if resize else {}
    ends = _ends(header, raw=raw, resize=resize)
    return sealed(onnx_model(frozen, ends, texts, int8=int8).SerializeToString())


def every_value(
    header: Header, frozen: Frozen, runtime: str
) -> Callable[[npt.NDArray[np.uint8]], dict[str, Floats]]:
    """Returns what gives all values of a network for images, by the paths of its steps and of the input."""
    from hubel.graph.onnx import onnx_model

    model = onnx_model(frozen, replace(_ends(header), views="one"), every=True)
    engine = compiled(model.SerializeToString(), runtime)
    paths = [INPUT, *(step.path for step in frozen.steps)]

    def run(images: npt.NDArray[np.uint8]) -> dict[str, Floats]:
        return dict(zip(paths, engine.outputs(images)[1:], strict=True))

    return run


def _ends(header: Header, *, raw: bool = False, resize: bool = False) -> Ends:
    from hubel.graph.onnx import Ends
    from hubel.graph.resize import Resize

    seen = Preprocessing.from_json(header.preprocessing)
    inside = Resize(seen.fit, seen.resize, seen.interpolation) if resize else None
    return Ends(seen.mean, seen.std, header.views, header.temperature, raw=raw, resize=inside)


def engine_of(network: Network, header: Header, engine: str) -> Exported:
    """Returns a network as an engine runs it, made anew only if its weights or its header have changed.

    torch counts changes, but not those through `.data` or NumPy: of these a change of a single weight among
    many thousands may be missed, but not one of a layer or of a filter.
    """
    stamp = [_stamp(value) for value in network.state_dict().values()], header.to_metadata()
    known = _engines.setdefault(network, {})
    if engine not in known or known[engine][0] != stamp:
        known[engine] = stamp, exported_of(header, frozen_model(network, header), engine)
    return known[engine][1]


def _stamp(value: Tensor) -> tuple[int, int, int]:
    """What tells whether a tensor has changed: where it is, torch's count of changes, some of its values."""
    flat = value.detach().flatten()
    some = flat[:: max(1, len(flat) // SAMPLE)].cpu().numpy()
    return value.data_ptr(), value._version, crc32(some.tobytes())  # noqa: SLF001


def exported_of(header: Header, frozen: Frozen, engine: str) -> Exported:
    """Returns a frozen network as an engine runs it."""
    seen = Preprocessing.from_json(header.preprocessing)
    runs: Engine
    if needs_torch(engine):
        from hubel.engines.torch import TorchEngine

        prepare_process()
        device, _, numbers = engine.partition("-")
        options = {"dtype": DTYPES.get(numbers, "float32"), "device": CUDA if device == CUDA else "cpu"}
        runs = TorchEngine(frozen, seen, header.views, header.temperature, **options)
    else:
        runs = compiled(onnx_graph(header, frozen), engine)
    return Exported(header, seen, runs, engine)
