"""Whether a network answers as the ONNX file that it was read from: both run on the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import helper

from hubel.engines.onnxruntime import OnnxRuntime
from hubel.errors import ModelError
from hubel.foreign.onnx.skeleton import skeleton
from hubel.module.network import Network
from hubel.net.trace import at_inference

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.data.arrays import Bytes
    from hubel.foreign.onnx.file import OnnxFile
    from hubel.foreign.onnx.read import OnnxNetwork
    from hubel.foreign.value import Value
    from hubel.graph.frozen import Floats
    from hubel.model.import_network import ImportedNetwork

OLDEST = 7
"""The oldest opset that ONNX Runtime computes."""

TOLERANCE = 1e-4
"""By how much scores may differ, as a share of the largest one if that is above 1."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a network answers: the largest difference of its scores from the file's, on so many images."""

    difference: float
    largest: float
    images: int
    what: str = "scores"

    @property
    def agrees(self) -> bool:
        """Whether the scores are equal to within `TOLERANCE`."""
        return self.difference <= TOLERANCE * max(1.0, self.largest)

    def __str__(self) -> str:
        return (
            f"its {self.what} are those of ONNX Runtime to {self.difference:.1g} on {self.images} images; "
            f"the largest is {self.largest:.3g}"
        )


def check(read: OnnxNetwork, imported: ImportedNetwork, images: Bytes) -> Agreement:
    """Compares the scores of a network with those of ONNX Runtime on images after preprocessing.

    Raises ModelError: they differ; the message names the first node that does.
    """
    network = imported.model.network
    assert isinstance(network, Network)
    raw = _raw(imported, images)
    end = network.steps[-1].path
    old = {new: path for path, new in imported.paths.items()}
    names = [read.values[old[end]][0]] if end in old else [read.file.graph.output[0].name]
    theirs = _theirs(read, names, raw)[0]
    seen = _seen(read, raw)
    with torch.inference_mode():
        ours = np.concatenate([network(torch.from_numpy(image[None])).numpy() for image in seen])
    theirs = theirs.reshape(ours.shape)
    found = Agreement(float(np.abs(ours - theirs).max()), float(np.abs(theirs).max()), len(images))
    if not found.agrees:
        raise ModelError(_where(read, imported, network, raw, seen))
    return found


def _raw(imported: ImportedNetwork, images: Bytes) -> Floats:
    """Images as the file takes them: its own pixels, or prepared where it does not do that itself."""
    if imported.white:
        return images.astype(np.float32) * np.float32(imported.white / 255)
    seen = imported.model.preprocessing
    mean, std = np.array(seen.mean, np.float32), np.array(seen.std, np.float32)
    return (images.astype(np.float32) / np.float32(255) - mean) / std


def _theirs(read: OnnxNetwork, names: list[str], raw: Floats) -> list[Floats]:
    """The values of these names for images of the file's own pixels, n x h x w x c."""
    run = _runner(read.file, names)
    kind = helper.tensor_dtype_to_np_dtype(read.kind)
    order = raw[..., ::-1] if read.found.entry.bgr else raw
    maps = _arranged(order, read.start)
    batches = [maps[at : at + read.start.batch] for at in range(0, len(maps), read.start.batch)]
    runs = [run({read.input: _typed(batch, kind)}) for batch in batches]
    return [np.concatenate(parts) for parts in zip(*runs, strict=True)]


def _runner(file: OnnxFile, names: list[str]) -> Callable[[dict[str, npt.NDArray[Any]]], list[Floats]]:
    """What computes these values: ONNX Runtime, or for opsets older than its own ONNX's reference."""
    if file.opset < OLDEST:
        from onnx import load_from_string
        from onnx.reference import ReferenceEvaluator

        model = ReferenceEvaluator(load_from_string(skeleton(file, names, whole=True).model))
        return lambda given: list(model.run(None, given))
    graph = skeleton(file, names)
    runtime = OnnxRuntime(graph.model, graph.weights, plain=True)
    return lambda given: runtime.outputs(next(iter(given.values())))


def _typed(batch: Floats, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    whole = np.rint(batch) if np.issubdtype(kind, np.integer) else batch
    return np.ascontiguousarray(whole.astype(kind))


def _arranged(images: Floats, start: Value) -> Floats:
    """Images, n x h x w x c, with the axes of the file's input."""
    if start.shape[1:] == images.shape[1:] and start.volume.depth == start.shape[3]:
        return images
    return images.transpose(0, 3, 1, 2)


def _seen(read: OnnxNetwork, raw: Floats) -> Floats:
    """What the network sees of these images: n x c x h x w."""
    entry = read.found.entry
    order = slice(None, None, -1) if entry.bgr else slice(None)
    values = raw * entry.scale[order].astype(np.float32) + entry.shift[order].astype(np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)


def _where(read: OnnxNetwork, imported: ImportedNetwork, network: Network, raw: Floats, seen: Floats) -> str:
    """Which node is the first whose values differ."""
    values: dict[str, Floats] = {}
    handles = [
        network.get_submodule(step.path).register_forward_hook(
            lambda _module, _inputs, out, path=step.path: values.update({path: out.detach().numpy()})
        )
        for step in at_inference(network.steps)
    ]
    try:
        with torch.inference_mode():
            network(torch.from_numpy(seen))
    finally:
        for handle in handles:
            handle.remove()
    steps = [
        step
        for step in read.found.steps
        if imported.paths.get(step.path) in values and step.path in read.values
    ]
    theirs = _theirs(read, [read.values[step.path][0] for step in steps], raw)
    nodes = {name: node for node in read.file.graph.node for name in node.output}
    for step, there in zip(steps, theirs, strict=True):
        name, value = read.values[step.path]
        apart = float(np.abs(values[imported.paths[step.path]] - _as_maps(there, value)).max())
        if not apart <= TOLERANCE * max(1.0, float(np.abs(there).max())):
            node = nodes[name]
            return (
                f"{read.file.path}: node {node.name or name} ({node.op_type}), read as {step.path} = "
                f"{step.layer!r}, gives other values than in ONNX Runtime: they differ by {apart:.3g}"
            )
    return f"{read.file.path}: its scores differ from those of ONNX Runtime, though no single node's do"


def _as_maps(there: Floats, value: Value) -> Floats:
    """The values of a graph, in any shape, as n x depth x height x width."""
    letters = [(letter, size) for letter, size in value.letters() if letter != "n"]
    cube = there.reshape(-1, *(size for _, size in letters))
    order = sorted(range(len(letters)), key=lambda at: "chw".index(letters[at][0]))
    volume = value.volume
    return cube.transpose(0, *(1 + at for at in order)).reshape(-1, volume.depth, *volume.plane)
