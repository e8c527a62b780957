"""How each kind of layer computes the value of a unit, in float64: its inputs and the numbers of its rule.

`RULES` has one rule for each kind of layer; a rule reads the layer's inputs and weights through a `Sight`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.errors import NetworkError
from hubel.instruments.sight import Found, Sight, Taken
from hubel.net import activations, growing, norms, sliding
from hubel.net import layers as spec
from hubel.net.layer import Layer
from hubel.net.window import pair

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[np.int64]


def _conv(sight: Sight) -> Found:
    layer, weights, filter_of = sight.layer, sight.numbers("weight"), sight.numbers("filter_of")
    assert weights is not None
    if filter_of is not None:
        maps = np.array(layer.links[sight.channel])
        kernel = weights[filter_of == sight.channel]
    else:
        depth = sight.step.inputs[0].depth // layer.groups
        group = sight.channel // (layer.filters // layer.groups)
        maps = np.arange(group * depth, (group + 1) * depth)
        kernel = weights[sight.channel]
    return _weighted(sight, sight.window(maps), kernel)


def _fc(sight: Sight) -> Found:
    weights = sight.numbers("weight")
    assert weights is not None
    return _weighted(sight, sight.window(_all(sight)), weights[sight.channel])


def _weighted(sight: Sight, taken: Taken, weights: Floats) -> Found:
    weights = weights.reshape(taken.values.shape)
    products = weights * taken.values
    parts = {"sum": math.fsum(products.flat)}
    if sight.numbers("bias") is not None:
        parts["bias"] = sight.own("bias", 0.0)
    return (replace(taken, weights=weights, products=products),), parts, math.fsum(parts.values())


def _max(sight: Sight) -> Found:
    taken = sight.window(np.array([sight.channel]), fill=-math.inf)
    value = float(taken.values.max())
    return (taken,), {"largest": value}, value


def _mean(sight: Sight) -> Found:
    taken = sight.window(np.array([sight.channel]))
    count = taken.values.size
    if isinstance(sight.layer, sliding.AvgPool) and not sight.layer.count_pad:
        count = int(taken.inside.sum())
    count = sight.works_with.get("divisor_override") or count
    total = math.fsum(taken.values.flat)
    return (taken,), {"sum": total, "count": float(count)}, total / count


def _subsample(sight: Sight) -> Found:
    taken = sight.window(np.array([sight.channel]))
    total = math.fsum(taken.values.flat)
    parts = {"sum": total, "coefficient": sight.own("weight", 1.0), "bias": sight.own("bias", 0.0)}
    return (taken,), parts, total * parts["coefficient"] + parts["bias"]


def _shortcut(sight: Sight) -> Found:
    if sight.channel >= sight.step.inputs[0].depth:
        return (), {}, 0.0
    taken = sight.window(np.array([sight.channel]))
    return _same(taken)


def _convtranspose(sight: Sight) -> Found:
    """The inputs whose filters reach the unit, each with the weight that does."""
    layer, weights = sight.layer, sight.numbers("weight")
    assert weights is not None
    seen = sight.step.inputs[0]
    depth, filters = seen.depth // layer.groups, layer.filters // layer.groups
    group, own = divmod(sight.channel, filters)
    maps = np.arange(group * depth, (group + 1) * depth)
    rows, columns = (_reaching(layer, axis, sight.place[axis], seen.plane[axis]) for axis in (0, 1))
    taken = sight.at(maps, rows[:, 0], columns[:, 0])
    return _weighted(sight, taken, weights[np.ix_(maps, [own], rows[:, 1], columns[:, 1])])


def _reaching(layer: growing.ConvTranspose, axis: int, place: int, side: int) -> Counts:
    """The inputs along an axis that reach an output, and the place of the weight in the filter: n x 2."""
    sides = (layer.size, layer.stride, layer.pad, layer.dilation)
    size, stride, pad, dilation = (pair(each)[axis] for each in sides)
    offsets = [(at, divmod(place + pad - at * stride, dilation)) for at in range(side)]
    found = [(at, weight) for at, (weight, rest) in offsets if rest == 0 and 0 <= weight < size]
    return np.array(found, np.int64).reshape(-1, 2)


def _upsample(sight: Sight) -> Found:
    """Nearest: the input below. Bilinear: up to four inputs, by how near their middles are."""
    places = zip(sight.place, sight.step.inputs[0].plane, pair(sight.layer.factor), strict=True)
    rows, columns = (_near(*place, linear=sight.layer.mode == "bilinear") for place in places)
    taken = sight.at(np.array([sight.channel]), np.array(list(rows)), np.array(list(columns)))
    if sight.layer.mode == "nearest":
        return _same(taken)
    return _weighted(sight, taken, np.outer(list(rows.values()), list(columns.values())))


def _near(place: int, side: int, factor: int, *, linear: bool) -> dict[int, float]:
    """The inputs along an axis that an output of upsampling is made from, with their shares."""
    if not linear:
        return {place // factor: 1.0}
    middle = max(0.0, (place + 0.5) / factor - 0.5)
    before = int(middle)
    shares = {before: 1 - (middle - before)}
    after = min(before + 1, side - 1)
    shares[after] = shares.get(after, 0.0) + middle - before
    return shares


def _part(sight: Sight) -> Found:
    return _same(sight.here(channel=sight.layer.maps(sight.step.inputs[0].depth)[sight.channel]))


def _shuffle(sight: Sight) -> Found:
    return _same(sight.here(channel=sight.layer.source(sight.channel, sight.step.inputs[0].depth)))


def _prelu(sight: Sight) -> Found:
    taken, slopes = sight.here(), sight.numbers("weight")
    assert slopes is not None
    value = float(taken.values[0, 0, 0])
    slope = float(slopes[0 if sight.layer.shared else sight.channel])
    return (taken,), {"input": value, "slope": slope}, max(0.0, value) + slope * min(0.0, value)


def _multiply(sight: Sight) -> Found:
    says = sight.step.inputs[1]
    place = zip((sight.channel, *sight.place), (says.depth, *says.plane), strict=True)
    maps, rows, columns = (np.array([at if side > 1 else 0]) for at, side in place)
    taken = sight.here(), sight.at(maps, rows, columns, 1)
    value, factor = (float(each.values[0, 0, 0]) for each in taken)
    return taken, {"input": value, "factor": factor}, value * factor


def _batchnorm(sight: Sight) -> Found:
    if sight.numbers("running_mean") is None:
        raise NetworkError(f"{sight.step.path} has no running statistics: a unit depends on the whole batch")
    taken = sight.here()
    parts = {
        "input": float(taken.values[0, 0, 0]),
        "mean": sight.own("running_mean", 0.0),
        "variance": sight.own("running_var", 1.0),
        "eps": float(sight.layer.eps),
        "scale": sight.own("weight", 1.0),
        "shift": sight.own("bias", 0.0),
    }
    normal = (parts["input"] - parts["mean"]) / math.sqrt(parts["variance"] + parts["eps"])
    return (taken,), parts, normal * parts["scale"] + parts["shift"]


def _layernorm(sight: Sight) -> Found:
    return _normalised(sight, sight.depth(_all(sight)))


def _groupnorm(sight: Sight) -> Found:
    share = sight.step.inputs[0].depth // sight.layer.groups
    first = sight.channel // share * share
    return _normalised(sight, sight.whole(np.arange(first, first + share)))


def _normalised(sight: Sight, taken: Taken) -> Found:
    """Layer and group normalisation: the mean and the variance are those of the values taken."""
    mean = math.fsum(taken.values.flat) / taken.values.size
    parts = {
        "input": float(sight.here().values[0, 0, 0]),
        "mean": mean,
        "variance": math.fsum(((taken.values - mean) ** 2).flat) / taken.values.size,
        "eps": float(sight.layer.eps),
        "scale": sight.own("weight", 1.0),
        "shift": sight.own("bias", 0.0),
    }
    normal = (parts["input"] - mean) / math.sqrt(parts["variance"] + parts["eps"])
    return (taken,), parts, normal * parts["scale"] + parts["shift"]


def _layerscale(sight: Sight) -> Found:
    taken = sight.here()
    parts = {"input": float(taken.values[0, 0, 0]), "scale": sight.own("weight", 1.0)}
    return (taken,), parts, parts["input"] * parts["scale"]


def _lrn(sight: Sight) -> Found:
    """For an even size, PyTorch's window has one more map before the unit's own than after it."""
    layer = sight.layer
    first = sight.channel - layer.size // 2
    maps = np.arange(max(0, first), min(sight.step.inputs[0].depth, first + layer.size))
    taken = sight.window(np.array([sight.channel])) if layer.within else sight.depth(maps)
    taken = replace(taken, products=taken.values**2)
    parts = {
        "input": float(sight.here().values[0, 0, 0]),
        "k": layer.k,
        "alpha": layer.alpha,
        "sum": math.fsum((taken.values**2).flat),
        "beta": layer.beta,
    }
    return (taken,), parts, parts["input"] / (layer.k + layer.alpha * parts["sum"]) ** layer.beta


def _softmax(sight: Sight) -> Found:
    """The largest score is subtracted first: this does not change the result and avoids overflow."""
    taken = sight.depth(_all(sight))
    largest = float(taken.values.max())
    powers = np.exp(taken.values - largest)
    parts = {
        "input": float(taken.values[sight.channel, 0, 0]),
        "largest": largest,
        "sum": math.fsum(powers.flat),
    }
    return (replace(taken, products=powers),), parts, float(powers[sight.channel, 0, 0]) / parts["sum"]


def _rbf(sight: Sight) -> Found:
    taken = sight.window(_all(sight))
    codes = sight.numbers("codes")
    assert codes is not None
    weights = codes[sight.channel].reshape(taken.values.shape)
    products = -((taken.values - weights) ** 2)
    total = math.fsum(products.flat)
    return (replace(taken, weights=weights, products=products),), {"sum": total}, total


def _add(sight: Sight) -> Found:
    taken = tuple(sight.here(source) for source in range(len(sight.inputs)))
    value = math.fsum(float(each.values[0, 0, 0]) for each in taken)
    return taken, {"sum": value}, value


def _concat(sight: Sight) -> Found:
    channel = sight.channel
    for source, volume in enumerate(sight.step.inputs):
        if channel < volume.depth:
            return _same(sight.here(source, channel))
        channel -= volume.depth
    raise AssertionError("a map of no branch")


def _same(taken: Taken) -> Found:
    value = float(taken.values[0, 0, 0])
    return (taken,), {"input": value}, value


def _of(function: Callable[[Any, float], float]) -> Callable[[Sight], Found]:
    """The rule of an elementwise layer."""

    def rule(sight: Sight) -> Found:
        taken = sight.here()
        value = float(taken.values[0, 0, 0])
        return (taken,), {"input": value}, function(sight.layer, value)

    return rule


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def _softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def _gelu(layer: activations.Gelu, value: float) -> float:
    if layer.tanh:
        return value * 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)))
    return value * 0.5 * math.erfc(-value / math.sqrt(2))


RULES: dict[type[Layer], Callable[[Sight], Found]] = {
    sliding.Conv: _conv,
    sliding.MaxPool: _max,
    sliding.AvgPool: _mean,
    sliding.Subsample: _subsample,
    sliding.PadShortcut: _shortcut,
    spec.GlobalAvgPool: _mean,
    spec.AdaptiveAvgPool: _mean,
    activations.Relu: _of(lambda layer, x: max(0.0, x if layer.limit is None else min(layer.limit, x))),
    activations.Tanh: _of(lambda layer, x: layer.amplitude * math.tanh(layer.slope * x)),
    activations.Sigmoid: _of(lambda _layer, x: _sigmoid(x)),
    activations.Gelu: _of(_gelu),
    spec.Dropout: _of(lambda _layer, x: x),
    spec.Identity: _of(lambda _layer, x: x),
    norms.BatchNorm: _batchnorm,
    activations.Silu: _of(lambda _layer, x: x * _sigmoid(x)),
    activations.Softplus: _of(lambda _layer, x: _softplus(x)),
    activations.Mish: _of(lambda _layer, x: x * math.tanh(_softplus(x))),
    activations.HardSigmoid: _of(lambda _layer, x: min(max(x + 3, 0.0), 6.0) / 6),
    activations.HardSwish: _of(lambda _layer, x: x * min(max(x + 3, 0.0), 6.0) / 6),
    activations.LeakyRelu: _of(lambda layer, x: x if x > 0 else layer.slope * x),
    activations.Elu: _of(lambda layer, x: x if x > 0 else layer.alpha * math.expm1(x)),
    activations.PRelu: _prelu,
    norms.Lrn: _lrn,
    norms.LayerNorm: _layernorm,
    norms.GroupNorm: _groupnorm,
    norms.LayerScale: _layerscale,
    growing.ConvTranspose: _convtranspose,
    growing.Upsample: _upsample,
    spec.Part: _part,
    spec.Shuffle: _shuffle,
    spec.DropPath: _of(lambda _layer, x: x),
    spec.Multiply: _multiply,
    spec.Fc: _fc,
    spec.Rbf: _rbf,
    spec.Softmax: _softmax,
    spec.Concat: _concat,
    spec.Add: _add,
}
"""How each kind of layer computes the value of a unit."""


def _all(sight: Sight) -> Counts:
    """All maps of the first input."""
    return np.arange(sight.step.inputs[0].depth)
