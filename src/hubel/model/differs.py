"""Where a network's graph first answers otherwise than the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hubel.engines.engine import needs_torch
from hubel.model.exported import compiled
from hubel.model.graph import frozen_model
from hubel.module.network import Network

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.model.trained import Trained

APART = 1e-3
"""A difference of a layer's values, relative to the largest, that no rounding explains."""


def first_difference(model: Trained, engine: str, pixels: Bytes) -> str:
    """Returns the first layer whose values differ as `, from conv2 on`; an empty text where none is found.

    The graph is written once more for each layer, so this takes a while.
    """
    if needs_torch(engine) or not isinstance(model.network, Network):
        return ""
    from hubel.graph.onnx import Ends, onnx_model

    network = model.network
    seen = model.preprocessing.normalise(torch.from_numpy(pixels))
    wanted = _values(network, seen)
    frozen = frozen_model(network, model.header)
    for step in frozen.steps:
        graph = onnx_model(frozen.up_to(step.path), Ends((), (), raw=True)).SerializeToString()
        found = torch.from_numpy(compiled(graph, engine)(seen.contiguous().numpy()))
        right = wanted[frozen.holds.get(step.path, step.path)].flatten(1)
        if (found - right).abs().max() > APART * right.abs().max().clamp(min=1e-6):
            return f", from {step.path} on"
    return ""


@torch.inference_mode()
def _values(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What every layer of a network gives, by path."""
    values: dict[str, Tensor] = {}
    hooks = [
        part.register_forward_hook(lambda _m, _i, out, path=path: values.__setitem__(path, out))
        for path, part in network.named_modules()
        if path
    ]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return values
