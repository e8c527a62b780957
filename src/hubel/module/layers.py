"""Layers as torch modules: those of PyTorch, and the few that it lacks.

Every module maps n x depth x height x width to the same form, so that any layer may follow any other; the
output of a fully connected layer is 1 x 1. `MAKERS` makes the module of each kind of layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hubel.module.convolution import Convolution, is_traced
from hubel.module.lenet_codes import codes
from hubel.module.norms import LayerNorm, LayerScale, ResponseNorm
from hubel.module.padded import Padded
from hubel.module.wiring import Add, Concat, DropPath, Multiply, Part, Shuffle
from hubel.net import activations, growing, norms, sliding
from hubel.net import layers as spec
from hubel.net.layer import Layer
from hubel.net.volume import Volume
from hubel.net.window import Pair, pair

Pool: TypeAlias = "type[nn.MaxPool2d] | type[nn.AvgPool2d]"


@dataclass(frozen=True, slots=True)
class Around:
    """What is put around an image before a window slides: `even` by the window's own module, the rest before.

    `before` are the values on the left, right, top and bottom, as `F.pad` takes them; `mode` is F.pad's.
    """

    even: Pair
    before: tuple[int, ...]
    mode: str

    @classmethod
    def of(cls, layer: sliding.Sliding, volume: Volume) -> Around:
        """Returns what is around the input of a layer."""
        window = layer.window(volume)
        mode = window.rows.mode
        top, bottom, left, right = window.extra if mode == "zeros" else window.zeros
        before = (left, right, top, bottom) if any((left, right, top, bottom)) else ()
        return cls(window.even if mode == "zeros" else (0, 0), before, F_MODES[mode])

    def __call__(self, images: Tensor, value: float = 0.0) -> Tensor:
        """Pads images, n x depth x h x w, by what the window's module does not."""
        if not self.before:
            return images
        if self.mode == "constant" and value == 0 and _trains(images):
            zeros: Tensor = Padded.apply(images, self.before)  # type: ignore[no-untyped-call]
            return zeros
        padded: Tensor = F.pad(images, self.before, self.mode, value if self.mode == "constant" else None)
        return padded


def _trains(images: Tensor) -> bool:
    """Whether a step of training on a CPU sees these images."""
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.is_grad_enabled() and images.device.type == "cpu" and last and not is_traced()


F_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate"}
"""PyTorch's names of what is beyond the edge."""


class LinkedConv(nn.Module):
    """Convolution in which each filter sees only the input maps that its links name.

    `weight` has one kernel per link, in the order of the filters: links x height x width.
    """

    filter_of: Tensor
    map_of: Tensor

    def __init__(self, layer: sliding.Conv, volume: Volume) -> None:
        super().__init__()
        self.layer = layer
        self.links = [(row, index) for row, maps in enumerate(layer.links or ()) for index in maps]
        self.shape = (layer.filters, volume.depth, *pair(layer.size))
        self.around = Around.of(layer, volume)
        self.geometry: dict[str, Any] = {
            "stride": pair(layer.stride),
            "padding": self.around.even,
            "dilation": pair(layer.dilation),
        }
        self.weight = nn.Parameter(torch.empty(len(self.links), *pair(layer.size)))
        self.bias = nn.Parameter(torch.empty(layer.filters)) if layer.bias else None
        self.register_buffer("filter_of", torch.tensor([row for row, _ in self.links]), persistent=False)
        self.register_buffer("map_of", torch.tensor([index for _, index in self.links]), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x filters x h' x w'."""
        dense = self.weight.new_zeros(self.shape).index_put((self.filter_of, self.map_of), self.weight)
        return F.conv2d(self.around(images), dense, self.bias, **self.geometry)


class PaddedConv(Convolution):
    """Convolution of an image that is padded first: unevenly, or by what is not zeros."""

    layer: sliding.Conv
    around: Around

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x filters x h' x w'."""
        return super().forward(self.around(images))


class PaddedMaxPool(nn.MaxPool2d):
    """Max pooling of an image that is padded unevenly first."""

    layer: sliding.MaxPool
    around: Around

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x depth x h' x w'."""
        return cast("Tensor", super().forward(self.around(images, -math.inf)))


class PaddedAvgPool(nn.AvgPool2d):
    """Average pooling of an image that is padded unevenly first."""

    layer: sliding.AvgPool
    around: Around

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to n x depth x h' x w'."""
        means = super().forward(self.around(images))
        if self.layer.count_pad:
            return means
        inside = super().forward(self.around(images.new_ones(1, 1, *images.shape[2:])))
        return means / inside


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

    def __init__(self, layer: activations.Tanh) -> None:
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
    around = Around.of(layer, volume)
    shape = (volume.depth, layer.filters, pair(layer.size), pair(layer.stride), around.even)
    arguments = (*shape, pair(layer.dilation), layer.groups, layer.bias)
    if not around.before:
        return _unset(Convolution, *arguments)
    module = _unset(PaddedConv, *arguments)
    module.layer, module.around = layer, around  # type: ignore[assignment]
    return module


def _convtranspose(layer: growing.ConvTranspose, volume: Volume) -> nn.Module:
    sides = (pair(side) for side in (layer.size, layer.stride, layer.pad, layer.output_pad))
    rest = (layer.groups, layer.bias, pair(layer.dilation))
    return _unset(nn.ConvTranspose2d, volume.depth, layer.filters, *sides, *rest)


def _pool(plain: Pool, padded: Pool) -> Callable[[Any, Volume], nn.Module]:
    def make(layer: sliding.MaxPool | sliding.AvgPool, volume: Volume) -> nn.Module:
        stride = layer.size if layer.stride is None else layer.stride
        around = Around.of(layer, volume)
        kind = padded if around.before else plain
        module = kind(pair(layer.size), pair(stride), around.even, ceil_mode=layer.ceil)
        if around.before:
            module.layer, module.around = layer, around  # type: ignore[assignment]
        elif isinstance(layer, sliding.AvgPool):
            module.count_include_pad = layer.count_pad
        return module

    return make


def _upsample(layer: growing.Upsample, _volume: Volume) -> nn.Module:
    return nn.Upsample(scale_factor=tuple(map(float, pair(layer.factor))), mode=layer.mode)


def _relu(layer: activations.Relu, _volume: Volume) -> nn.Module:
    return nn.ReLU() if layer.limit is None else nn.Hardtanh(0.0, layer.limit)


MAKERS: dict[type[Layer], Callable[[Any, Volume], nn.Module]] = {
    sliding.Conv: _conv,
    sliding.MaxPool: _pool(nn.MaxPool2d, PaddedMaxPool),
    sliding.AvgPool: _pool(nn.AvgPool2d, PaddedAvgPool),
    sliding.Subsample: Subsample,
    sliding.PadShortcut: PadShortcut,
    growing.ConvTranspose: _convtranspose,
    growing.Upsample: _upsample,
    spec.GlobalAvgPool: lambda _layer, _volume: GlobalAvgPool(),
    spec.AdaptiveAvgPool: lambda layer, _volume: nn.AdaptiveAvgPool2d((layer.height, layer.width)),
    activations.Relu: _relu,
    activations.LeakyRelu: lambda layer, _volume: nn.LeakyReLU(layer.slope),
    activations.PRelu: lambda layer, volume: nn.PReLU(layer.params(volume)),
    activations.Elu: lambda layer, _volume: nn.ELU(layer.alpha),
    activations.Gelu: lambda layer, _volume: nn.GELU("tanh" if layer.tanh else "none"),
    activations.Silu: lambda _layer, _volume: nn.SiLU(),
    activations.Mish: lambda _layer, _volume: nn.Mish(),
    activations.Softplus: lambda _layer, _volume: nn.Softplus(),
    activations.HardSwish: lambda _layer, _volume: nn.Hardswish(),
    activations.Tanh: lambda layer, _volume: nn.Tanh() if layer == activations.Tanh() else ScaledTanh(layer),
    activations.Sigmoid: lambda _layer, _volume: nn.Sigmoid(),
    activations.HardSigmoid: lambda _layer, _volume: nn.Hardsigmoid(),
    norms.Lrn: lambda layer, _volume: ResponseNorm(layer),
    norms.BatchNorm: lambda layer, volume: nn.BatchNorm2d(volume.depth, layer.eps, layer.momentum),
    norms.LayerNorm: lambda layer, volume: LayerNorm(volume.depth, layer.eps),
    norms.GroupNorm: lambda layer, volume: nn.GroupNorm(layer.groups, volume.depth, layer.eps),
    norms.LayerScale: LayerScale,
    spec.Dropout: lambda layer, _volume: nn.Dropout(layer.p),
    spec.DropPath: lambda layer, _volume: DropPath(layer),
    spec.Fc: lambda layer, volume: _unset(FullyConnected, volume.values, layer.units, layer.bias),
    spec.Rbf: Rbf,
    spec.Softmax: lambda _layer, _volume: nn.Softmax(1),
    spec.Identity: lambda _layer, _volume: nn.Identity(),
    spec.Part: Part,
    spec.Shuffle: lambda layer, _volume: Shuffle(layer),
    spec.Concat: lambda _layer, _volume: Concat(),
    spec.Add: lambda _layer, _volume: Add(),
    spec.Multiply: lambda _layer, _volume: Multiply(),
}
"""For each kind of layer, what makes its torch module from the layer and its input volume."""
