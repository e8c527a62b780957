"""A file that hubel exported becomes a model again: its metadata has the notation, its weights the names.

Batch normalisation that the export folded comes back as one that shifts by the folded summand alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.data.image.preprocess import Preprocessing
from hubel.engines.onnxruntime import OnnxRuntime
from hubel.errors import ModelError
from hubel.foreign.onnx.floats import in_floats
from hubel.foreign.onnx.skeleton import skeleton
from hubel.graph.seal import read_sealed
from hubel.model.check_import import TOLERANCE, Agreement
from hubel.model.exported import Exported
from hubel.model.file import Model
from hubel.model.header import FORMAT, RAW, Header
from hubel.module.network import Network
from hubel.net.layers import Rbf
from hubel.net.norms import BatchNorm, LayerScale
from hubel.net.sliding import Conv, Subsample
from hubel.net.trace import Step
from hubel.net.window import pair

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.arrays import Bytes
    from hubel.foreign.found import Array
    from hubel.foreign.onnx.file import OnnxFile


def is_own(file: OnnxFile) -> bool:
    """Whether hubel exported the file."""
    return file.metadata.get("format") == FORMAT


def own_model(file: OnnxFile) -> Model:
    """Returns the model that a file was exported from, with the weights it was exported with.

    Raises ModelError: the file was changed, or lacks weights.
    """
    _, metadata = read_sealed(file.path)
    header = Header.from_exported(metadata, file.path)
    network = Network(header.net, header.volume, scores=True)
    arrays = _Arrays(file)
    for step in network.steps:
        if not step.side:
            _give(network, step, arrays)
    network.eval()
    preprocessing = Preprocessing.from_json(header.preprocessing)
    return Model(network, header.classes, preprocessing, header.summary, header.temperature, header.views)


def check_own(file: OnnxFile, model: Model, images: Bytes) -> Agreement:
    """Compares the probabilities of a model with those of the file, in float, on images after preprocessing.

    Raises ModelError: they differ.
    """
    name = file.graph.output[0].name
    graph = skeleton(in_floats(file)[0], [name])
    runtime = OnnxRuntime(graph.model, graph.weights, plain=True)
    exported = Exported(model.header, model.preprocessing, runtime, "onnxruntime", RAW in file.metadata)
    theirs = exported.probabilities_of(images)
    ours = model.probabilities_of(images).numpy()
    found = Agreement(float(np.abs(ours - theirs).max()), float(theirs.max()), len(images), "probabilities")
    if found.difference > TOLERANCE:
        raise ModelError(f"{file.path}: its probabilities differ from the model's by {found.difference:.3g}")
    return found


class _Arrays:
    """The weights of a file by name; those in bytes as the numbers that they stand for."""

    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        self._scales = {
            node.input[0]: node.input[1] for node in file.graph.node if node.op_type == "DequantizeLinear"
        }

    def get(self, name: str) -> npt.NDArray[Any] | None:
        """Returns a weight, None where the file has none of this name."""
        found = self._file.weights.get(name)
        if found is None or name not in self._scales:
            return found
        scale = self._file.weights[self._scales[name]]
        whole: Array = found.astype(np.float32) * scale.reshape(-1, *[1] * (found.ndim - 1))
        return whole

    def of(self, name: str) -> npt.NDArray[Any]:
        """Returns a weight. Raises ModelError: the file has none of this name."""
        found = self.get(name)
        if found is None:
            raise ModelError(f"{self._file.path} has no weights for {name}")
        return found


def _give(network: Network, step: Step, arrays: _Arrays) -> None:
    """Gives one layer of a network its weights."""
    own, path, layer = network.get_submodule(step.path), step.path, step.layer
    if isinstance(layer, BatchNorm | LayerScale):
        given = _factors(network, step, arrays)
    elif isinstance(layer, Rbf):
        given = {"codes": arrays.of(f"{path}.codes")}
    else:
        given = {name: arrays.of(f"{path}.{name}") for name, _ in own.named_parameters()}
    if isinstance(layer, Conv):
        given["weight"] = _kernels(layer, given["weight"])
    elif isinstance(layer, Subsample):
        given["weight"] = given["weight"][:, 0, 0, 0]
    state = dict(own.named_parameters()) | dict(own.named_buffers())
    for name, value in given.items():
        target = state[name].detach()
        if target.numel() != value.size:
            raise ModelError(f"{path}: its {name} is {list(value.shape)}, not {list(target.shape)}")
        np.copyto(target.numpy(), value.reshape(target.shape))


def _kernels(layer: Conv, kernels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The kernels of a convolution, without zeros around them, and of a table of links those it has."""
    high, wide = pair(layer.size)
    down, across = (kernels.shape[2] - high) // 2, (kernels.shape[3] - wide) // 2
    found = kernels[:, :, down : down + high, across : across + wide]
    if layer.links is None:
        return found
    rows = [row for row, maps in enumerate(layer.links) for _ in maps]
    return found[rows, [column for maps in layer.links for column in maps]]


def _factors(network: Network, step: Step, arrays: _Arrays) -> dict[str, npt.NDArray[Any]]:
    """The factors and summands of a normalisation, or what is left of them after the export folded them."""
    one = np.ones(step.output.depth, np.float32)
    weight, bias = arrays.get(f"{step.path}.weight"), arrays.get(f"{step.path}.bias")
    folded = weight is None
    if isinstance(step.layer, LayerScale):
        return {"weight": one if weight is None else weight}
    assert isinstance(step.layer, BatchNorm)
    if folded:
        before = next(each for each in network.steps if each.path == step.sources[0])
        own_bias = getattr(before.layer, "bias", True)
        bias = None if own_bias else arrays.of(f"{before.path}.bias")
    return {
        "weight": one if weight is None else weight,
        "bias": 0 * one if bias is None else bias,
        "running_mean": 0 * one,
        "running_var": one - np.float32(step.layer.eps),
    }
