"""Measurements of built modules, for the tests of this folder."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hubel import Net, Volume, build, trace
from hubel.module.layers import LinkedConv, Rbf
from hubel.module.network import Heads, Network
from tests.module.reference import Array


def built(net: Net, volume: Volume, seed: int = 0) -> Network:
    """The module in double precision and evaluation mode, with random parameters and statistics."""
    module = build(net, volume).double().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.double))
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                assert part.running_mean is not None
                assert part.running_var is not None
                part.running_mean.copy_(torch.randn(part.num_features, generator=generator))
                part.running_var.copy_(torch.rand(part.num_features, generator=generator) + 0.1)
    return module


def to_tensor(images: Array) -> Tensor:
    """n x height x width x depth to n x depth x height x width."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, 3, 1)))


def to_array(values: Tensor) -> Array:
    """n x depth x height x width, or n x classes, to n x height x width x depth."""
    array = values.detach().double().numpy()
    return np.moveaxis(array, 1, 3) if array.ndim == 4 else array[:, None, None]


def scores_of(out: Tensor | Heads) -> Tensor:
    return out.scores if isinstance(out, Heads) else out


def random_images(volume: Volume, count: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, volume.depth, volume.height, volume.width, generator=generator)


@dataclass(frozen=True, slots=True)
class Count:
    """The counts of a submodule: height, width and depth of its output; its parameters; its multiply-adds."""

    output: Volume
    params: int
    macs: int


def counted(module: Network, images: Tensor) -> dict[str, Count]:
    """Counts by hooks, from the shapes of the tensors alone; by path."""
    counts: dict[str, Count] = {}
    paths = {path: part for path, part in module.named_modules() if path and not any(part.children())}

    def hook(path: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def count(part: nn.Module, inputs: Any, out: Tensor) -> None:
            _, depth, height, width = out.shape
            params = sum(parameter.numel() for parameter in part.parameters())
            counts[path] = Count(Volume(height, width, depth), params, _macs(part, inputs[0], out))

        return count

    handles = [part.register_forward_hook(hook(path)) for path, part in paths.items() if path in read(module)]
    try:
        with torch.no_grad():
            module(images)
    finally:
        for handle in handles:
            handle.remove()
    return counts


def read(module: Network) -> set[str]:
    return {step.path for step in module.steps}


def _macs(part: nn.Module, seen: Tensor, out: Tensor) -> int:
    """For one image: how many weights are multiplied at how many positions, of the input if transposed."""
    if isinstance(part, nn.ConvTranspose2d):
        return part.weight.numel() * math.prod(seen.shape[2:])
    places = math.prod(out.shape[2:])
    if isinstance(part, (nn.Conv2d, LinkedConv, nn.Linear)):
        return part.weight.numel() * places
    return part.codes.numel() if isinstance(part, Rbf) else 0


def kept_for_backward(module: nn.Module, images: Tensor) -> int:
    """The bytes autograd holds on to after a training pass, parameters and buffers apart.

    Every storage counts once; all stay referenced until the end, so that none is handed out twice.
    """
    own = {tensor.untyped_storage().data_ptr() for tensor in [*module.parameters(), *module.buffers()]}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        where = tensor.untyped_storage().data_ptr()
        if where not in own:
            kept[where] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = module(images)
    total = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    del out
    return total


def normalises_one_value(net: Net, volume: Volume) -> bool:
    """Whether a batch normalisation has one value per map, which PyTorch refuses for a single image."""
    return any(
        step.layer.kind == "batchnorm" and step.inputs[0].plane == (1, 1) for step in trace(net, volume)
    )
