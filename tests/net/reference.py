"""The traced steps in plain torch, written without `hubel.module`: the reference for the numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from hubel.net.activations import PRelu
from hubel.net.growing import ConvTranspose, Upsample
from hubel.net.layer import Layer
from hubel.net.layers import AdaptiveAvgPool, Add, Concat, Fc, GlobalAvgPool, Multiply, Part, Shuffle
from hubel.net.norms import BatchNorm, GroupNorm, LayerNorm, LayerScale
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


class Padded(nn.Module):
    """A window on a volume that is padded at the top, bottom, left and right, each by its own number."""

    def __init__(self, module: nn.Module, sides: tuple[int, int, int, int], mode: str, fill: float) -> None:
        super().__init__()
        self.module, self.mode, self.fill = module, mode, fill
        top, bottom, left, right = sides
        self.sides = (left, right, top, bottom)

    def forward(self, images: Tensor) -> Tensor:
        if self.mode == "zeros":
            return self.module(F.pad(images, self.sides, value=self.fill))  # type: ignore[no-any-return]
        return self.module(F.pad(images, self.sides, mode=self.mode))  # type: ignore[no-any-return]


class Chosen(nn.Module):
    """Some maps, by their numbers."""

    def __init__(self, maps: list[int]) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, images: Tensor) -> Tensor:
        return images[:, self.maps]


class OverMaps(nn.LayerNorm):
    """Layer normalisation of the last axis, to which the maps are moved."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.movedim(1, 3)).movedim(3, 1)


class WholeMap(nn.Module):
    """A value and, as in group normalisation, all values of its map."""

    def forward(self, images: Tensor) -> Tensor:
        return images + images.mean((2, 3), keepdim=True)


class Factors(nn.Module):
    """A factor for each map."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.ones(maps, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return images * self.factors


class Flat(nn.Module):
    """A linear layer on the flattened volume, its output a volume of one position."""

    def __init__(self, inputs: int, units: int, *, bias: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, units, bias=bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1))[:, :, None, None]  # type: ignore[no-any-return]


def as_torch(layer: Layer, seen: Volume) -> nn.Module:  # noqa: C901, PLR0912 - a case for each kind
    """The layer in torch; elementwise layers are the identity here."""
    match layer:
        case Conv():
            assert layer.pad != "same"
            module = nn.Conv2d(
                seen.depth,
                layer.filters,
                both(layer.size),
                stride=both(layer.stride),
                dilation=both(layer.dilation),
                groups=layer.groups,
                bias=layer.bias,
            )
            return Padded(module, raised(layer, seen), layer.pad_mode, 0.0)
        case MaxPool() | AvgPool():
            largest = isinstance(layer, MaxPool)
            kind = nn.MaxPool2d if largest else nn.AvgPool2d
            stride = layer.size if layer.stride is None else layer.stride
            if isinstance(layer.pad, tuple) and len(layer.pad) == 4:
                return Padded(
                    kind(both(layer.size), both(stride)), layer.pad, "zeros", -torch.inf if largest else 0.0
                )
            return kind(both(layer.size), both(stride), both(layer.pad), ceil_mode=layer.ceil)
        case ConvTranspose():
            return nn.ConvTranspose2d(
                seen.depth,
                layer.filters,
                both(layer.size),
                both(layer.stride),
                both(layer.pad),
                both(layer.output_pad),
                layer.groups,
                layer.bias,
                both(layer.dilation),
            )
        case Upsample():
            return nn.Upsample(scale_factor=both(layer.factor), mode=layer.mode)
        case Part():
            return Chosen(
                list(range(seen.depth))[(layer.number - 1) * seen.depth // layer.of :][
                    : ((layer.to or layer.number) - layer.number + 1) * seen.depth // layer.of
                ]
            )
        case Shuffle():
            grouped = torch.arange(seen.depth).reshape(layer.groups, -1)
            return Chosen(grouped.T.flatten().tolist())
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
        case LayerNorm():
            return OverMaps(seen.depth)
        case GroupNorm():
            return nn.GroupNorm(layer.groups, seen.depth)
        case LayerScale():
            return Factors(seen.depth)
        case PRelu():
            return nn.PReLU(1 if layer.shared else seen.depth)
        case Fc():
            return Flat(seen.values, layer.units, bias=layer.bias)
    return nn.Identity()


def raised(layer: Conv, seen: Volume) -> tuple[int, int, int, int]:
    """The padding at the top, bottom, left and right; with `ceil`, the zeros that cuda-convnet reads past it.

    The size is 1 + ceil((2·P + W - F)/S), as in its layer.py.
    """
    pad = layer.pad
    assert pad != "same"
    if isinstance(pad, tuple) and len(pad) == 4:
        top, bottom, left, right = pad
    else:
        top, left = bottom, right = both(pad)
    if not layer.ceil:
        return top, bottom, left, right
    more = []
    for axis, zeros in enumerate((top + bottom, left + right)):
        size, stride, dilation = (both(each)[axis] for each in (layer.size, layer.stride, layer.dilation))
        reach, side = dilation * (size - 1) + 1, seen.plane[axis]
        outputs = 1 + math.ceil((zeros + side - reach) / stride)
        more.append((outputs - 1) * stride + reach - side - zeros)
    return top, bottom + more[0], left, right + more[1]


def walk(steps: Sequence[Step], modules: dict[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """Runs the steps and returns the values at every path."""
    values = {INPUT: images}
    for step in steps:
        inputs = [values[source] for source in step.sources]
        if isinstance(step.layer, Concat):
            values[step.path] = torch.cat(inputs, dim=1)
        elif isinstance(step.layer, Multiply):
            values[step.path] = inputs[0] * inputs[1]
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
        if isinstance(module, Padded) and isinstance(module.module, nn.MaxPool2d):
            module.module, module.fill = averaged(module.module), 0.0
        if isinstance(module, nn.MaxPool2d):
            modules[path] = averaged(module)
        elif isinstance(module, nn.GroupNorm):
            modules[path] = WholeMap()
        elif isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            modules[path] = nn.Identity()
        for weights in module.parameters():
            nn.init.constant_(weights, 1 / max(1, weights[0].numel()))
        modules[path].double()
    return modules


def averaged(pool: nn.MaxPool2d) -> nn.AvgPool2d:
    """Average pooling with the same windows."""
    return nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding, ceil_mode=pool.ceil_mode)


def pixels_seen(gradient: Tensor) -> tuple[int, int, int, int] | None:
    """Top, left, bottom and right of the nonzero part of a gradient, n x c x h x w."""
    rows, columns = gradient.abs().sum((0, 1)).nonzero(as_tuple=True)
    if not len(rows):
        return None
    return int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max())
