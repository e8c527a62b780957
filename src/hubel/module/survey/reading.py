"""Calls of PyTorch's functions as hubel's layers: `READERS` has the function that reads each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, get_args

import torch
from torch import Tensor

from hubel.module import layers as own
from hubel.module.norms import LayerScale, ResponseNorm
from hubel.module.survey.arguments import Call, image, per_depth
from hubel.module.wiring import Add, DropPath, Part, Shuffle
from hubel.net import activations, growing, norms, sliding
from hubel.net import layers as spec
from hubel.net.layer import Layer
from hubel.net.volume import Volume
from hubel.net.window import Pair

Reader: TypeAlias = "Callable[[Call], Layer | None]"
"""Returns the layer of a call, or None if hubel has no equal one."""


def _conv(call: Call) -> Layer | None:
    given = call.given()
    weight = given["weight"]
    size, dilation = _pair(weight.shape[2:]), _pair(given.get("dilation", 1))
    padding = given.get("padding", 0)
    pad: Any = (0, 0) if padding == "valid" else padding
    if padding == "same":
        zeros = [length * (side - 1) for side, length in zip(size, dilation, strict=True)]
        pad = "same" if any(zero % 2 for zero in zeros) else tuple(zero // 2 for zero in zeros)
    return sliding.Conv(
        weight.shape[0],
        size,
        stride=_pair(given.get("stride", 1)),
        pad=pad if pad == "same" else _pair(pad),
        groups=given.get("groups", 1),
        bias=given.get("bias") is not None,
        dilation=dilation,
    )


def _convtranspose(call: Call) -> Layer | None:
    given = call.given()
    weight = given["weight"]
    geometry = {"stride": "stride", "pad": "padding", "output_pad": "output_padding", "dilation": "dilation"}
    groups = given.get("groups", 1)
    return growing.ConvTranspose(
        weight.shape[1] * groups,
        _pair(weight.shape[2:]),
        **{ours: _pair(given.get(theirs, 0 if "pad" in ours else 1)) for ours, theirs in geometry.items()},
        groups=groups,
        bias=given.get("bias") is not None,
    )


def _upsample(call: Call) -> Layer | None:
    given = call.given("input size scale_factor mode align_corners")
    mode, seen = given.get("mode", "nearest"), image(call)
    wanted = given.get("size")
    if wanted is None:
        factors = given["scale_factor"]
        factors = factors if isinstance(factors, (tuple, list)) else (factors, factors)
    elif seen is not None:
        factors = tuple(to / side for to, side in zip(_pair(wanted), seen.plane, strict=True))
    whole = all(factor >= 1 and factor == int(factor) for factor in factors)
    plain = not given.get("align_corners") and not given.get("antialias")
    if not whole or not plain or mode not in get_args(growing.Interpolation):
        return None
    return growing.Upsample(_pair(factors), mode)


def _maxpool(call: Call) -> Layer | None:
    given = call.given("input kernel_size stride padding dilation ceil_mode")
    if _pair(given.get("dilation", 1)) != (1, 1):
        return None
    return sliding.MaxPool(**_pooling(given))


def _avgpool(call: Call) -> Layer | None:
    """Reads average pooling; a divisor of its own is none of the mean."""
    given = call.given()
    if given.get("divisor_override") is not None:
        return None
    return sliding.AvgPool(**_pooling(given), count_pad=bool(given.get("count_include_pad", True)))


def _pooling(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "size": _pair(given["kernel_size"]),
        "stride": _pair(given.get("stride") or given["kernel_size"]),
        "pad": _pair(given.get("padding", 0)),
        "ceil": bool(given.get("ceil_mode", False)),
    }


def _adaptive(call: Call) -> Layer | None:
    size = call.given("input output_size")["output_size"]
    sides = size if isinstance(size, (tuple, list)) else (size, size)
    plane = call.seen.shape[-2:]
    return spec.AdaptiveAvgPool(
        *(now if side is None else side for side, now in zip(sides, plane, strict=True))
    )


def _mean(call: Call) -> Layer | None:
    axes = call.place.axes
    dims = call.given("input dim keepdim").get("dim")
    if dims is None:
        return None
    over = {axes[at] for at in (dims if isinstance(dims, (tuple, list)) else (dims,))}
    plane = {axis for axis in axes if axis in ("h", "w", "p")}
    return spec.GlobalAvgPool() if over == plane and "c" in axes and "?" not in axes else None


def _batchnorm(call: Call) -> Layer | None:
    given = call.given()
    return norms.BatchNorm(given.get("eps", 1e-5), float(given.get("momentum") or 0.0))


def _layernorm(call: Call) -> Layer | None:
    given = call.given("input normalized_shape weight bias eps")
    over_maps = len(given["normalized_shape"]) == 1 and call.place.axes[-1] == "c"
    return norms.LayerNorm(given.get("eps", 1e-5)) if over_maps and _is_scaled(given) else None


def _groupnorm(call: Call) -> Layer | None:
    given = call.given("input num_groups weight bias eps")
    fits = per_depth(call) and _is_scaled(given)
    return norms.GroupNorm(given["num_groups"], given.get("eps", 1e-5)) if fits else None


def _instancenorm(call: Call) -> Layer | None:
    """Reads the normalisation of each map by itself: a group per map."""
    given = call.given("input running_mean running_var weight bias use_input_stats momentum eps")
    fits = per_depth(call) and _is_scaled(given) and given.get("use_input_stats", True)
    return norms.GroupNorm(call.place.volume.depth, given.get("eps", 1e-5)) if fits else None


def _is_scaled(given: Mapping[str, Any]) -> bool:
    """Whether a normalisation has a scale and a shift."""
    return given.get("weight") is not None and given.get("bias") is not None


def _layerscale(call: Call) -> Layer | None:
    """Reads a product with a tensor that has one factor per map."""
    factors = next((each for each in call.args if each is not call.seen), None)
    if not isinstance(factors, Tensor) or "c" not in call.place.axes:
        return None
    at = factors.dim() - (call.seen.dim() - call.place.axes.index("c"))
    per_map = [call.place.volume.depth if axis == at else 1 for axis in range(factors.dim())]
    return norms.LayerScale() if at >= 0 and list(factors.shape) == per_map else None


def _multiply(call: Call) -> Layer | None:
    """Reads a product of two activations: the larger one is gated, and the other may be broadcast."""
    if len(call.activations) != 2:
        return None
    call.activations.sort(key=lambda pair: -pair[1].volume.values)
    (seen, place), (factors, says) = call.activations
    if seen.dim() != factors.dim():
        return None
    axes = zip(place.axes, says.axes, strict=True)
    sides = zip(says.volume, place.volume, strict=True)
    fits = all(one in (other, "1") or other == "1" for other, one in axes)
    return spec.Multiply() if fits and all(side in (1, whole) for side, whole in sides) else None


def _clamped(call: Call) -> Layer | None:
    given = call.given("input low high")
    low = given.get("min_val", given.get("min", given.get("low")))
    high = given.get("max_val", given.get("max", given.get("high")))
    if call.name.startswith("hardtanh"):
        low, high = (-1.0 if low is None else low), (1.0 if high is None else high)
    if low != 0 or isinstance(high, Tensor) or (high is not None and not 1e-6 <= high < math.inf):
        return None
    return activations.Relu(None if high is None else float(high))


def _gelu(call: Call) -> Layer | None:
    return activations.Gelu(tanh=call.given("input approximate").get("approximate", "none") == "tanh")


def _softplus(call: Call) -> Layer | None:
    """Reads softplus; a threshold below 20 would change values."""
    given = call.given("input beta threshold")
    return activations.Softplus() if given.get("beta", 1) == 1 and given.get("threshold", 20) >= 20 else None


def _leakyrelu(call: Call) -> Layer | None:
    return activations.LeakyRelu(call.given("input negative_slope").get("negative_slope", 0.01))


def _elu(call: Call) -> Layer | None:
    return activations.Elu(call.given("input alpha").get("alpha", 1.0))


def _prelu(call: Call) -> Layer | None:
    slopes = call.given("input weight")["weight"]
    return activations.PRelu(shared=slopes.numel() == 1)


def _shuffle(call: Call) -> Layer | None:
    return spec.Shuffle(call.given("input groups")["groups"])


def _dropout(call: Call) -> Layer | None:
    return spec.Dropout(call.given("input p").get("p", 0.5))


def _softmax(call: Call) -> Layer | None:
    dim = call.given("input dim").get("dim")
    return spec.Softmax() if isinstance(dim, int) and call.place.axes[dim] == "c" else None


def _lrn(call: Call) -> Layer | None:
    given = {"alpha": 1e-4, "beta": 0.75, "k": 1.0} | call.given("input size alpha beta k")
    return norms.Lrn(given["size"], given["alpha"] / given["size"], given["beta"], given["k"])


def _linear(call: Call) -> Layer | None:
    given = call.given()
    units, inputs = given["weight"].shape
    bias = given.get("bias") is not None
    volume = call.place.volume
    if call.seen.numel() == inputs == volume.values:
        return spec.Fc(units, bias)
    if call.place.axes[-1] == "c" and inputs == volume.depth:
        return sliding.Conv(units, 1, bias=bias)  # the same linear map at every position
    return None


def _add(call: Call) -> Layer | None:
    same = len({(tensor.shape, place.volume) for tensor, place in call.activations}) == 1
    return spec.Add() if len(call.activations) == 2 and same and call.words.get("alpha", 1) == 1 else None


def _concat(call: Call) -> Layer | None:
    given = call.given("tensors dim")
    dim, parts = given.get("dim", given.get("axis", 0)), given["tensors"]
    whole = (
        len(parts) == len(call.activations)
        and len({place.volume.plane for _, place in call.activations}) == 1
    )
    along = all(
        place.axes[dim] == "c" and place.volume.depth == tensor.shape[dim]
        for tensor, place in call.activations
    )
    return spec.Concat() if whole and along else None


def _slice(call: Call) -> Layer | None:
    """Reads some of the maps, one after the other."""
    index = call.args[1] if len(call.args) > 1 else None
    at = call.place.axes.index("c") if "c" in call.place.axes else None
    depth = call.place.volume.depth
    if not isinstance(index, tuple) or at is None or at >= len(index) or call.seen.shape[at] != depth:
        return None
    others = all(each == slice(None) for axis, each in enumerate(index) if axis != at)
    if not others or not isinstance(index[at], slice) or index[at] == slice(None):
        return None
    first, end, step = index[at].indices(depth)
    return spec.Part.cut(first, end, depth) if step == 1 and first < end else None


def _always(layer: Layer) -> Reader:
    return lambda _call: layer


def _pair(size: Any) -> Pair:
    sides: Sequence[int] = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    return int(sides[0]), int(sides[-1])


ON_IMAGES: dict[str, Reader] = {
    "conv2d": _conv,
    "conv_transpose2d": _convtranspose,
    "interpolate": _upsample,
    "channel_shuffle": _shuffle,
    "max_pool2d": _maxpool,
    "max_pool2d_with_indices": _maxpool,
    "avg_pool2d": _avgpool,
    "adaptive_avg_pool2d": _adaptive,
    "local_response_norm": _lrn,
}
"""Functions that take n x depth x height x width."""

READERS: dict[str, Reader] = ON_IMAGES | {
    "batch_norm": _batchnorm,
    "relu": _always(activations.Relu()),
    "relu6": _always(activations.Relu(6)),
    "hardtanh": _clamped,
    "clamp": _clamped,
    "clamp_min": _clamped,
    "tanh": _always(activations.Tanh()),
    "sigmoid": _always(activations.Sigmoid()),
    "gelu": _gelu,
    "silu": _always(activations.Silu()),
    "mish": _always(activations.Mish()),
    "softplus": _softplus,
    "hardswish": _always(activations.HardSwish()),
    "hardsigmoid": _always(activations.HardSigmoid()),
    "leaky_relu": _leakyrelu,
    "elu": _elu,
    "prelu": _prelu,
    "layer_norm": _layernorm,
    "group_norm": _groupnorm,
    "instance_norm": _instancenorm,
    "mul": _layerscale,
    "dropout": _dropout,
    "softmax": _softmax,
    "linear": _linear,
    "mean": _mean,
    "__getitem__": _slice,
}
"""Functions of one activation, by their name without the trailing `_` of those that work in place."""

JOINERS: dict[str, Reader] = {
    "add": _add,
    "mul": _multiply,
    "cat": _concat,
    "concat": _concat,
    "concatenate": _concat,
}
"""Functions of several activations."""

OWN: dict[type[torch.nn.Module], Callable[[Any, Volume], Layer]] = {
    own.LinkedConv: lambda module, _seen: module.layer,
    own.PaddedConv: lambda module, _seen: module.layer,
    own.PaddedMaxPool: lambda module, _seen: module.layer,
    own.PaddedAvgPool: lambda module, _seen: module.layer,
    own.Subsample: lambda module, _seen: sliding.Subsample(module.size),
    own.ScaledTanh: lambda module, _seen: activations.Tanh(module.amplitude, module.slope),
    own.Rbf: lambda module, _seen: spec.Rbf(len(module.codes)),
    own.PadShortcut: lambda module, seen: sliding.PadShortcut(seen.depth + module.zeros, module.stride),
    ResponseNorm: lambda module, _seen: module.layer,
    LayerScale: lambda module, _seen: norms.LayerScale(module.initial),
    Part: lambda module, _seen: module.layer,
    Shuffle: lambda module, _seen: spec.Shuffle(module.groups),
    DropPath: lambda module, _seen: spec.DropPath(module.p),
    Add: lambda _module, _seen: spec.Add(),
}
"""hubel's own modules that call several functions and are one layer."""
