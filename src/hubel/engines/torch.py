"""The engine of PyTorch: batch norm folded, channels last, activations and sums fused into convolutions.

On a CPU with oneDNN a convolution, the sum that it adds to and the activation behind it are one operation,
and its weights are laid out once. On a GPU a pass is recorded, and replayed for every batch of its size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel.module.layers import MAKERS, Around
from hubel.module.norms import inverse_power, sum_of_neighbours
from hubel.module.recorded import Recorded
from hubel.module.views import scores
from hubel.net.activations import Relu
from hubel.net.layers import Add, Fc
from hubel.net.norms import BatchNorm, Lrn
from hubel.net.sliding import Conv
from hubel.net.trace import INPUT, Step
from hubel.net.window import pair

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.image.preprocess import Preprocessing
    from hubel.graph.frozen import Floats, Frozen

Operation = Callable[..., Tensor]

FUSED = torch.ops.mkldnn
"""oneDNN's operations with an activation behind, which torch's own compiler uses as well."""

CHANNELS_LAST = torch.channels_last
CPU = torch.device("cpu")


class TorchEngine:
    """A frozen network as PyTorch runs it fastest, on a device and in a type of numbers that it has."""

    def __init__(
        self,
        frozen: Frozen,
        preprocessing: Preprocessing,
        views: str = "one",
        temperature: float = 1.0,
        *,
        dtype: str = "float32",
        device: str = "cpu",
    ) -> None:
        self.preprocessing = preprocessing
        self.views = views
        self.temperature = temperature
        self.device = torch.device(device)
        self.network = FusedNetwork(frozen, getattr(torch, dtype), self.device)
        self._run = Recorded(self._probabilities, self.device)

    @torch.inference_mode()
    def __call__(self, images: Bytes) -> Floats:
        """Returns probabilities: float32, n x classes."""
        (found,) = self._run(torch.from_numpy(images).to(self.device))
        probabilities: Floats = found.cpu().numpy()
        return probabilities

    def _probabilities(self, images: Tensor) -> tuple[Tensor]:
        found = scores(self.network, self.preprocessing.normalise(images), self.views)
        return ((found / self.temperature).softmax(1),)


@dataclass(frozen=True, slots=True)
class _Call:
    """An operation of the forward pass; `done` are the values that no later one reads."""

    path: str
    run: Operation
    sources: tuple[str, ...]
    done: tuple[str, ...]


class FusedNetwork(nn.Module):
    """A frozen network: n x depth x h x w to n x classes."""

    def __init__(
        self, frozen: Frozen, dtype: torch.dtype = torch.float32, device: torch.device = CPU
    ) -> None:
        super().__init__()
        self.dtype = dtype
        parts = _fused(frozen)
        self.end = parts[-1].path if parts else INPUT
        last = {source: part.path for part in parts for source in part.sources}
        with torch.inference_mode():
            self.calls = [
                _Call(
                    part.path,
                    part.operation(frozen, dtype, device),
                    part.sources,
                    tuple(source for source in dict.fromkeys(part.sources) if last[source] == part.path),
                )
                for part in parts
            ]

    def forward(self, images: Tensor) -> Tensor:
        """Runs the operations in order; each value is released after its last reader."""
        values = {INPUT: images.to(self.dtype, memory_format=CHANNELS_LAST)}
        for call in self.calls:
            values[call.path] = call.run(*[values[source] for source in call.sources])
            for path in call.done:
                del values[path]
        return values[self.end].flatten(1).float()


@dataclass(frozen=True, slots=True)
class _Part:
    """A step with what is fused into it: a sum, and an activation. `path` is that of the last."""

    path: str
    step: Step
    sources: tuple[str, ...]
    summed: bool = False
    relu: Relu | None = None

    def operation(self, frozen: Frozen, dtype: torch.dtype, device: torch.device) -> Operation:
        """Returns what computes the part, with its weights as they are needed."""
        step, weights = self.step, frozen.weights.get(self.step.path)
        tensors: Any = tuple(
            None if each is None else torch.tensor(each, device=device) for each in weights or ()
        )
        match step.layer:
            case Conv():
                return _conv(self, dtype, *tensors)
            case Fc():
                return _fc(dtype, *tensors)
            case BatchNorm():
                factor, summand = (each.to(dtype)[:, None, None] for each in tensors)
                return lambda value: torch.addcmul(summand, value, factor)
            case Lrn(within=False):
                return partial(_lrn, step.layer)
        module = MAKERS[type(step.layer)](step.layer, step.inputs[0]).eval()
        module.load_state_dict(dict(zip(module.state_dict(), tensors, strict=False)))
        return module.to(device, dtype)


def _fused(frozen: Frozen) -> list[_Part]:
    """The parts of a network: convolutions take what follows them, if nothing else reads it."""
    steps = frozen.steps
    readers = Counter(source for step in steps for source in step.sources)
    readers[frozen.end] += 1
    place = {step.path: at for at, step in enumerate(steps)}
    ready = {INPUT: -1} | place
    parts: dict[str, _Part] = {}
    for step in steps:
        before = parts.get(step.sources[0])
        relu = step.layer if isinstance(step.layer, Relu) else None
        convolves = before is not None and isinstance(before.step.layer, Conv) and before.relu is None
        if before is not None and relu and convolves and readers[step.sources[0]] == 1:
            del parts[before.path]
            parts[step.path] = _Part(step.path, before.step, before.sources, before.summed, relu)
            continue
        if isinstance(step.layer, Add) and len(step.sources) == 2:
            fused = _with_sum(step, parts, readers, ready)
            if fused is not None:
                parts.pop(fused[0])
                parts[step.path] = fused[1]
                continue
        parts[step.path] = _Part(step.path, step, step.sources)
    return list(parts.values())


def _with_sum(
    step: Step, parts: dict[str, _Part], readers: Counter[str], ready: dict[str, int]
) -> tuple[str, _Part] | None:
    """The convolution that can add the other branch of a sum to its result: the one that is last."""
    for own, other in (step.sources, step.sources[::-1]):
        part = parts.get(own)
        if part is None or own == other or ready[other] > ready[own]:
            continue
        alone = readers[own] == 1 and part.relu is None and not part.summed
        if alone and isinstance(part.step.layer, Conv) and not _around(part.step).before:
            return own, _Part(step.path, part.step, (*part.sources, other), summed=True)
    return None


def _around(step: Step) -> Around:
    """What is put around the input of a convolution."""
    assert isinstance(step.layer, Conv)
    return Around.of(step.layer, step.inputs[0])


def _conv(part: _Part, dtype: torch.dtype, weight: Tensor, bias: Tensor | None) -> Operation:
    """A convolution with what is fused into it."""
    layer, seen = part.step.layer, part.step.inputs[0]
    assert isinstance(layer, Conv)
    around = _around(part.step)
    padding = list(around.even)
    stride, dilation = list(pair(layer.stride)), list(pair(layer.dilation))
    weight = weight.to(dtype).contiguous(memory_format=CHANNELS_LAST)
    bias = None if bias is None else bias.to(dtype)
    activation = _activation(part.relu)
    on_cpu = weight.device.type == "cpu"
    if not (on_cpu and _packs(dtype)):
        return _plain_conv(part, weight, bias)
    left, right, top, bottom = around.before or (0, 0, 0, 0)
    shape = [1, seen.depth, seen.height + top + bottom, seen.width + left + right]
    packed = FUSED._reorder_convolution_weight(  # noqa: SLF001 - torch names it so
        weight, padding, stride, dilation, layer.groups, shape
    )
    geometry = (padding, stride, dilation, layer.groups)
    if part.summed:
        sums = FUSED._convolution_pointwise.binary  # noqa: SLF001
        unary = (activation[0] if part.relu else None, activation[1], "")
        return lambda value, other: cast(
            "Tensor", sums(value, other, packed, bias, *geometry, "add", 1.0, *unary)
        )
    runs = FUSED._convolution_pointwise.default  # noqa: SLF001

    def convolve(value: Tensor) -> Tensor:
        return cast("Tensor", runs(around(value), packed, bias, *geometry, *activation, ""))

    return convolve


def _activation(relu: Relu | None) -> tuple[str, list[float]]:
    """An activation and its numbers, by oneDNN's names."""
    if relu is None:
        return "none", []
    return ("relu", []) if relu.limit is None else ("hardtanh", [0.0, relu.limit])


def _packs(dtype: torch.dtype) -> bool:
    """Whether oneDNN lays out filters of this type on this processor."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def _plain_conv(part: _Part, weight: Tensor, bias: Tensor | None) -> Operation:
    """The same on a GPU, and where torch has no oneDNN."""
    layer = part.step.layer
    assert isinstance(layer, Conv)
    around = _around(part.step)

    def convolve(value: Tensor, *other: Tensor) -> Tensor:
        found = F.conv2d(
            around(value),
            weight,
            bias,
            pair(layer.stride),
            around.even,
            pair(layer.dilation),
            layer.groups,
        )
        for each in other:
            found += each
        return found if part.relu is None else found.clamp_(0, part.relu.limit)

    return convolve


def _fc(dtype: torch.dtype, weight: Tensor, bias: Tensor | None) -> Operation:
    """A fully connected layer; its output is n x units x 1 x 1."""
    weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
    return lambda value: F.linear(value.flatten(1), weight, bias)[:, :, None, None]


def _lrn(layer: Lrn, value: Tensor) -> Tensor:
    """Local response normalisation, in float32."""
    maps = value.float()
    sums = sum_of_neighbours(maps.square(), layer.size).mul_(layer.alpha).add_(layer.k)
    return (maps * inverse_power(sums, layer.beta)).to(value.dtype)
