"""The traced steps in plain torch, written without `hubel.module`: the reference for the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from hubel.net.layer import Layer
from hubel.net.layers import AdaptiveAvgPool, Add, BatchNorm, Concat, Fc, GlobalAvgPool
from hubel.net.sliding import AvgPool, Conv, MaxPool, PadShortcut, Subsample
from hubel.net.trace import INPUT, Step
from hubel.net.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

Pair = tuple[int, int]


def both(size: int | Pair) -> Pair:
    return (size, size) if isinstance(size, int) else size


class Coefficients(nn.Module):
    """LeNet's trainable pooling: a coefficient and a bias for each map."""

    def __init__(self, size: Pair, maps: int) -> None:
        super().__init__()
        self.size = size
        self.coefficient = nn.Parameter(torch.ones(maps, 1, 1))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        area = self.size[0] * self.size[1]
        return self.coefficient * area * F.avg_pool2d(images, self.size) + self.bias


class Strided(nn.Module):
    """ResNet's option A: every `stride`-th position, then maps of zeros."""

    def __init__(self, filters: int, stride: Pair) -> None:
        super().__init__()
        self.filters, self.stride = filters, stride

    def forward(self, images: Tensor) -> Tensor:
        images = images[:, :, :: self.stride[0], :: self.stride[1]]
        return F.pad(images, (0, 0, 0, 0, 0, self.filters - images.shape[1]))


class Flat(nn.Module):
    """A linear layer on the flattened volume, its output a volume of one position."""

    def __init__(self, inputs: int, units: int, *, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, units, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1))[:, :, None, None]  # type: ignore[no-any-return]


def as_torch(layer: Layer, seen: Volume) -> nn.Module:
    """The layer in torch; elementwise layers are the identity here."""
    match layer:
        case Conv():
            return nn.Conv2d(
                seen.depth,
                layer.filters,
                both(layer.size),
                stride=both(layer.stride),
                padding=both(layer.pad) if layer.pad != "same" else "same",
                dilation=both(layer.dilation),
                groups=layer.groups,
                bias=layer.bias,
            )
        case MaxPool() | AvgPool():
            kind = nn.MaxPool2d if isinstance(layer, MaxPool) else nn.AvgPool2d
            stride = layer.size if layer.stride is None else layer.stride
            return kind(both(layer.size), both(stride), both(layer.pad), ceil_mode=layer.ceil)
        case Subsample():
            return Coefficients(both(layer.size), seen.depth)
        case PadShortcut():
            return Strided(layer.filters, both(layer.stride))
        case GlobalAvgPool():
            return nn.AdaptiveAvgPool2d(1)
        case AdaptiveAvgPool():
            return nn.AdaptiveAvgPool2d((layer.height, layer.width))
        case BatchNorm():
            return nn.BatchNorm2d(seen.depth)
        case Fc():
            return Flat(seen.values, layer.units, bias=layer.bias)
    return nn.Identity()


def walk(steps: Sequence[Step], modules: dict[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """Runs the steps and returns the values at every path."""
    values = {INPUT: images}
    for step in steps:
        inputs = [values[source] for source in step.sources]
        if isinstance(step.layer, Concat):
            values[step.path] = torch.cat(inputs, dim=1)
        elif isinstance(step.layer, Add):
            values[step.path] = torch.stack(inputs).sum(0)
        else:
            values[step.path] = modules[step.path](inputs[0])
    return values


def built(steps: Sequence[Step]) -> dict[str, nn.Module]:
    """A torch module for every step."""
    return {step.path: as_torch(step.layer, step.inputs[0]).eval() for step in steps}


def smooth(steps: Sequence[Step]) -> dict[str, nn.Module]:
    """As `built`, with averages for maxima and weights above 0: a gradient reaches every pixel seen."""
    modules = built(steps)
    for path, module in modules.items():
        if isinstance(module, nn.MaxPool2d):
            modules[path] = nn.AvgPool2d(
                module.kernel_size, module.stride, module.padding, ceil_mode=module.ceil_mode
            )
        elif isinstance(module, nn.BatchNorm2d):
            modules[path] = nn.Identity()
        for weights in module.parameters():
            nn.init.constant_(weights, 1 / max(1, weights[0].numel()))
        modules[path].double()
    return modules


def pixels_seen(gradient: Tensor) -> tuple[int, int, int, int] | None:
    """Top, left, bottom and right of the nonzero part of a gradient, n x c x h x w."""
    rows, columns = gradient.abs().sum((0, 1)).nonzero(as_tuple=True)
    if not len(rows):
        return None
    return int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max())
