"""A model as an ONNX graph, and as an engine that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from hubel.data.image.preprocess import Preprocessing
from hubel.graph.frozen import freeze
from hubel.graph.seal import sealed
from hubel.model.exported import Exported, compiled
from hubel.model.header import Header
from hubel.net.memory import bytes_to_run
from hubel.ram import check_fits

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from hubel.engines.engine import Engine
    from hubel.graph.frozen import Frozen
    from hubel.module.network import Network

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


def onnx_graph(header: Header, frozen: Frozen, *, raw: bool = False) -> bytes:
    """Returns a model as a sealed ONNX file: uint8 images in, probabilities out; with `raw`, see `Ends`."""
    from hubel.graph.onnx import Ends, onnx_model  # needs onnx

    seen = Preprocessing.from_json(header.preprocessing)
    ends = Ends(seen.mean, seen.std, header.views, header.temperature, raw=raw)
    return sealed(onnx_model(frozen, ends, header.to_exported(raw=raw)).SerializeToString())


def engine_of(network: Network, header: Header, engine: str) -> Exported:
    """Returns a network as an engine runs it, made anew only if its weights or its header have changed."""
    state = network.state_dict()
    stamp = [(value.data_ptr(), value._version) for value in state.values()], header.to_metadata()  # noqa: SLF001
    known = _engines.setdefault(network, {})
    if engine not in known or known[engine][0] != stamp:
        arrays = {name: value.detach().cpu().float().numpy() for name, value in state.items()}
        frozen = frozen_of(header, arrays, Path("the model"), force=True)
        known[engine] = stamp, exported_of(header, frozen, engine)
    return known[engine][1]


def exported_of(header: Header, frozen: Frozen, engine: str) -> Exported:
    """Returns a frozen network as an engine runs it."""
    seen = Preprocessing.from_json(header.preprocessing)
    runs: Engine
    if engine.startswith("torch"):
        from hubel.engines.torch import TorchEngine

        runs = TorchEngine(frozen, seen, header.views, header.temperature, bfloat16=engine.endswith("-bf16"))
    else:
        runs = compiled(onnx_graph(header, frozen), engine)
    return Exported(header, seen, runs, engine)
