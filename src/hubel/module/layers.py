"""Layers as torch modules: those of PyTorch, and the few that it lacks.

Every module maps n x depth x height x width to the same form, so that any layer may follow any other; the
output of a fully connected layer is 1 x 1. `MAKERS` makes the module of each kind of layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hubel.module.convolution import Convolution
from hubel.module.lenet_codes import codes
from hubel.net import layers as spec
from hubel.net import sliding
from hubel.net.layer import Layer
from hubel.net.volume import Volume
from hubel.net.window import Pair, pair


class LinkedConv(nn.Module):
    """Convolution in which each filter sees only the input maps that its links name.

    `weight` has one kernel per link, in the order of the filters: links x height x width.
    """

    filter_of: Tensor
    map_of: Tensor

    def __init__(self, layer: sliding.Conv, volume: Volume) -> None:
        super().__init__()
        self.links = [(row, index) for row, maps in enumerate(layer.links or ()) for index in maps]
        self.shape = (layer.filters, volume.depth, *pair(layer.size))
        self.geometry: dict[str, Any] = {
            "stride": pair(layer.stride),
            "padding": _padding(layer, volume),
            "dilation": pair(layer.dilation),
        }
        self.odd = _odd(layer, volume)
        self.weight = nn.Parameter(torch.empty(len(self.links), *pair(layer.size)))
        self.bias = nn.Parameter(torch.empty(layer.filters)) if layer.bias else None
        self.register_buffer("filter_of", torch.tensor([row for row, _ in self.links]), persistent=False)
        self.register_buffer("map_of", torch.tensor([index for _, index in self.links]), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x filters x h' x w'."""
        dense = self.weight.new_zeros(self.shape).index_put((self.filter_of, self.map_of), self.weight)
        return F.conv2d(F.pad(images, self.odd) if self.odd else images, dense, self.bias, **self.geometry)


class UnevenConv(nn.Conv2d):
    """Convolution with one more row or column of zeros at the end than at the beginning."""

    odd: tuple[int, ...]

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x filters x h' x w'."""
        return super().forward(F.pad(images, self.odd))


class FullyConnected(nn.Linear):
    """A linear map of the flattened volume; its output is 1 x 1."""

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x units x 1 x 1."""
        return super().forward(images.flatten(1))[:, :, None, None]


class Subsample(nn.Module):
    """The sum of each window times a coefficient plus a bias, both per map."""

    def __init__(self, layer: sliding.Subsample, volume: Volume) -> None:
        super().__init__()
        self.size = pair(layer.size)
        self.weight = nn.Parameter(torch.empty(volume.depth))
        self.bias = nn.Parameter(torch.empty(volume.depth))

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x depth x h/size x w/size."""
        sums = F.avg_pool2d(images, self.size, divisor_override=1)
        return sums * self.weight[:, None, None] + self.bias[:, None, None]


class ScaledTanh(nn.Module):
    """amplitude · tanh(slope · x)."""

    def __init__(self, layer: spec.Tanh) -> None:
        super().__init__()
        self.amplitude = layer.amplitude
        self.slope = layer.slope

    def forward(self, images: Tensor) -> Tensor:
        """Maps each value by itself."""
        return self.amplitude * torch.tanh(self.slope * images)


class Rbf(nn.Module):
    """The negative squared distance of the input to each class's code of +1 and -1."""

    codes: Tensor

    def __init__(self, layer: spec.Rbf, volume: Volume) -> None:
        super().__init__()
        self.register_buffer("codes", codes(layer.units, volume.values))

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x units x 1 x 1."""
        distances = (images.flatten(1)[:, None] - self.codes).square().sum(2)
        return -distances[:, :, None, None]


class GlobalAvgPool(nn.Module):
    """The mean of each map."""

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x depth x 1 x 1.

        The positions are flattened first, so that the gradient has the memory format of the images. With
        `mean((2, 3))` it does not, and the backward pass of the layer before takes ten times as long.
        """
        return images.permute(0, 2, 3, 1).flatten(1, 2).mean(1)[:, :, None, None]


class PadShortcut(nn.Module):
    """Every `stride`-th position, and maps of zeros after those of the input."""

    def __init__(self, layer: sliding.PadShortcut, volume: Volume) -> None:
        super().__init__()
        self.stride = pair(layer.stride)
        self.zeros = layer.filters - volume.depth

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x filters x h/stride x w/stride."""
        kept = F.avg_pool2d(images, 1, self.stride)  # unlike a slice's, its gradient is channels_last
        return F.pad(kept, (0, 0, 0, 0, 0, self.zeros))


class Concat(nn.Module):
    """Concatenates branches along depth."""

    def forward(self, *branches: Tensor) -> Tensor:
        """Maps n x depth_i x h x w each to n x sum of depths x h x w."""
        return torch.cat(branches, 1)


class Add(nn.Module):
    """Adds branches."""

    def forward(self, *branches: Tensor) -> Tensor:
        """Maps n x depth x h x w each to the same."""
        total = branches[0]
        for branch in branches[1:]:
            total = total + branch
        return total


def _padding(layer: sliding.Conv, volume: Volume) -> Pair:
    """The zeros on either side, height and width."""
    rows, columns = layer.window(volume).axes
    return rows.pad, columns.pad


def _odd(layer: sliding.Conv, volume: Volume) -> tuple[int, ...]:
    """The odd zeros at the right and at the bottom, as `F.pad` wants them; nothing where there are none."""
    rows, columns = layer.window(volume).axes
    return (0, columns.odd, 0, rows.odd) if rows.odd or columns.odd else ()


class _Unset(TorchFunctionMode):
    """Leaves numbers as memory comes. torch's own `skip_init` goes by way of sympy, most of a second."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)


def _unset(kind: type[nn.Module], *arguments: Any) -> nn.Module:
    """Returns a module whose parameters are not set, as `initialise` sets them."""
    with _Unset():
        return kind(*arguments)


def _conv(layer: sliding.Conv, volume: Volume) -> nn.Module:
    if layer.links is not None:
        return LinkedConv(layer, volume)
    shape = (volume.depth, layer.filters, pair(layer.size), pair(layer.stride), _padding(layer, volume))
    arguments = (*shape, pair(layer.dilation), layer.groups, layer.bias)
    odd = _odd(layer, volume)
    if not odd:
        return _unset(Convolution, *arguments)
    module = _unset(UnevenConv, *arguments)
    module.odd = odd  # type: ignore[assignment]
    return module


def _pool(kind: type[nn.MaxPool2d] | type[nn.AvgPool2d]) -> Callable[[Any, Volume], nn.Module]:
    def make(layer: sliding.MaxPool | sliding.AvgPool, _volume: Volume) -> nn.Module:
        stride = layer.size if layer.stride is None else layer.stride
        return kind(pair(layer.size), pair(stride), pair(layer.pad), ceil_mode=layer.ceil)

    return make


def _relu(layer: spec.Relu, _volume: Volume) -> nn.Module:
    return nn.ReLU() if layer.limit is None else nn.Hardtanh(0.0, layer.limit)


def _lrn(layer: spec.Lrn, _volume: Volume) -> nn.Module:
    return nn.LocalResponseNorm(layer.size, layer.alpha * layer.size, layer.beta, layer.k)


MAKERS: dict[type[Layer], Callable[[Any, Volume], nn.Module]] = {
    sliding.Conv: _conv,
    sliding.MaxPool: _pool(nn.MaxPool2d),
    sliding.AvgPool: _pool(nn.AvgPool2d),
    sliding.Subsample: Subsample,
    sliding.PadShortcut: PadShortcut,
    spec.GlobalAvgPool: lambda _layer, _volume: GlobalAvgPool(),
    spec.AdaptiveAvgPool: lambda layer, _volume: nn.AdaptiveAvgPool2d((layer.height, layer.width)),
    spec.Relu: _relu,
    spec.Tanh: lambda layer, _volume: nn.Tanh() if layer == spec.Tanh() else ScaledTanh(layer),
    spec.Sigmoid: lambda _layer, _volume: nn.Sigmoid(),
    spec.Gelu: lambda _layer, _volume: nn.GELU(),
    spec.Lrn: _lrn,
    spec.BatchNorm: lambda layer, volume: nn.BatchNorm2d(volume.depth, layer.eps, layer.momentum),
    spec.Dropout: lambda layer, _volume: nn.Dropout(layer.p),
    spec.Fc: lambda layer, volume: _unset(FullyConnected, volume.values, layer.units, layer.bias),
    spec.Rbf: Rbf,
    spec.Softmax: lambda _layer, _volume: nn.Softmax(1),
    spec.Identity: lambda _layer, _volume: nn.Identity(),
    spec.Concat: lambda _layer, _volume: Concat(),
    spec.Add: lambda _layer, _volume: Add(),
}
"""For each kind of layer, what makes its torch module from the layer and its input volume."""
