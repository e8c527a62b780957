"""The normalisations that PyTorch lacks in this form, and factors per map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hubel.module.convolution import is_traced

if TYPE_CHECKING:
    from hubel.net import norms as spec
    from hubel.net.volume import Volume


PART = 1 << 19
"""How many values are normalised at a time: what is computed of them fits into a core's cache."""

THREE_QUARTERS = 0.75
"""The usual `beta` of response normalisation."""


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over the maps of each place."""

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to the same."""
        return super().forward(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResponseNorm(nn.Module):
    """Local response normalisation, over neighbouring maps or over the neighbouring places of each map.

    In training its gradient is our own: on a CPU a tenth of the time, anywhere a third of the memory.
    """

    def __init__(self, layer: spec.Lrn) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to the same."""
        layer = self.layer
        if self.training and not is_traced():
            result: Tensor = Response.apply(images, layer)  # type: ignore[no-untyped-call]
            return result
        if layer.within:
            return images / _in_plane(images * images, layer).mul(layer.alpha).add(layer.k).pow(layer.beta)
        return F.local_response_norm(images, layer.size, layer.alpha * layer.size, layer.beta, layer.k)


class Response(torch.autograd.Function):
    """Local response normalisation; on a CPU a few images at a time, so that they stay in its cache.

    It keeps the images and what each is divided by, in float32 at least. It has no second derivative.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, layer: spec.Lrn) -> Tensor:
        exact = torch.promote_types(images.dtype, torch.float32)
        out, sums = torch.empty_like(images), torch.empty_like(images, dtype=exact)
        for part, into, kept in _parts(images, out, sums):
            values = part.to(exact)
            torch.add(_summed(values.square(), layer).mul_(layer.alpha), layer.k, out=kept)
            into.copy_(inverse_power(kept, layer.beta).mul_(values))
        ctx.save_for_backward(images, sums)
        ctx.layer = layer
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """A value changes its own map's output, and by the sums that of every map that has it in its own."""
        (gradient,) = gradients
        images, sums = ctx.saved_tensors
        layer: spec.Lrn = ctx.layer
        result = torch.empty_like(images)
        for part, kept, coming, into in _parts(images, sums, gradient, result):
            values, factors = part.to(kept.dtype), inverse_power(kept, layer.beta)
            passed = factors.mul_(coming)
            through = _summed(passed.mul(values).div_(kept), layer, transposed=True)
            torch.addcmul(passed, through, values, value=-2 * layer.alpha * layer.beta, out=passed)
            into.copy_(passed)
        return result, None


def _parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same images of each tensor, one part after another: few at a time on a CPU, all on a GPU."""
    first = tensors[0]
    count = PART // max(1, first[:1].numel()) if first.device.type == "cpu" else len(first)
    return zip(*(torch.split(each, max(1, count)) for each in tensors), strict=True)


def _summed(values: Tensor, layer: spec.Lrn, *, transposed: bool = False) -> Tensor:
    """The sum of each value and its neighbours; `transposed`: of those whose neighbour it is."""
    if layer.within:
        return _in_plane(values, layer)  # a square of odd size, which is its own transpose
    return sum_of_neighbours(values, layer.size, transposed=transposed)


def _in_plane(values: Tensor, layer: spec.Lrn) -> Tensor:
    return F.avg_pool2d(values, layer.size, 1, layer.size // 2, divisor_override=1)


def sum_of_neighbours(values: Tensor, size: int, *, transposed: bool = False) -> Tensor:
    """Sums each map, n x depth x h x w, and its neighbours, `size` in all: of an even number one more before.

    With `transposed` it is one more behind.
    """
    before, after = size // 2, (size - 1) // 2
    if transposed:
        before, after = after, before
    sums = values.clone()
    for shift in range(1, 1 + min(before, values.shape[1] - 1)):
        sums[:, shift:] += values[:, :-shift]
    for shift in range(1, 1 + min(after, values.shape[1] - 1)):
        sums[:, :-shift] += values[:, shift:]
    return sums


def inverse_power(values: Tensor, beta: float) -> Tensor:
    """values^-beta: for the usual 0.75 by roots, which take a tenth of the time."""
    if beta != THREE_QUARTERS:
        return values.pow(-beta)
    root = values.rsqrt()
    return root.sqrt().mul_(root)


class LayerScale(nn.Module):
    """A trained factor for each map."""

    def __init__(self, layer: spec.LayerScale, volume: Volume) -> None:
        super().__init__()
        self.initial = layer.initial
        self.weight = nn.Parameter(torch.full((volume.depth,), layer.initial))

    def forward(self, images: Tensor) -> Tensor:
        """Maps n x depth x h x w to the same."""
        return images * self.weight[:, None, None]
