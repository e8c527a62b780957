"""How each kind of layer computes the value of a unit, in float64: its inputs and the numbers of its rule.

`RULES` has one rule for each kind of layer; a rule reads the layer's inputs and weights through a `Sight`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from torch import Tensor

from hubel.errors import NetworkError
from hubel.net import layers as spec
from hubel.net import sliding
from hubel.net.layer import Layer
from hubel.net.trace import Step
from hubel.net.volume import Volume
from hubel.net.window import Axis

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[np.int64]
    Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a unit reads from one source: its window on the output of the layer at the path `source`.

    `maps`, `rows`, `columns`: int64, the positions of the values in the source's `volume`, counted from 0;
    a row or column outside the volume is padding. `values`: float64, maps x rows x columns, with padding as
    the layer reads it: 0, or -inf for max pooling. `weights` and `products`: the same shape; None for a
    layer without weights.
    """

    source: str
    volume: Volume
    maps: Counts
    rows: Counts
    columns: Counts
    values: Floats
    weights: Floats | None = None
    products: Floats | None = None

    @property
    def inside(self) -> Truths:
        """Which positions are not padding: rows x columns."""
        high, wide = self.volume.plane
        rows, columns = (self.rows >= 0) & (self.rows < high), (self.columns >= 0) & (self.columns < wide)
        return rows[:, None] & columns[None, :]

    def place(self, index: int) -> tuple[int, int, int]:
        """Returns the map, row and column of a value in the source, by its index in flattened `values`."""
        at = np.unravel_index(index, self.values.shape)
        return int(self.maps[at[0]]), int(self.rows[at[1]]), int(self.columns[at[2]])


@dataclass(frozen=True, slots=True)
class Sight:
    """A layer's inputs for one image, and its weights, as one of its units uses them.

    `works_with` are the layer's tensors by PyTorch's names; `inputs`: float64, depth x height x width each.
    """

    step: Step
    layer: Any
    works_with: Mapping[str, Any]
    inputs: tuple[Floats, ...]
    channel: int
    row: int
    column: int

    def numbers(self, name: str) -> Floats | None:
        """Returns the layer's tensor of this name as an array, or None."""
        value = self.works_with.get(name)
        return array(value) if isinstance(value, Tensor) else None

    def own(self, name: str, otherwise: float) -> float:
        """Returns the value for the unit's map in the tensor of this name, or `otherwise`."""
        values = self.numbers(name)
        return otherwise if values is None else float(values[self.channel])

    def window(self, maps: Counts, *, fill: float = 0.0) -> Taken:
        """Returns the unit's window on some maps of the first input, with `fill` in the padding."""
        seen = self.step.inputs[0]
        window = self.layer.window(seen)
        rows, columns = _line(window.rows, self.row), _line(window.columns, self.column)
        if isinstance(self.layer, (sliding.MaxPool, sliding.AvgPool)):  # a last window ends with the padding
            rows = rows[rows < seen.height + window.rows.pad]
            columns = columns[columns < seen.width + window.columns.pad]
        taken = Taken(self.step.sources[0], seen, maps, rows, columns, np.empty(0))
        inside = taken.inside
        near = np.ix_(maps, rows.clip(0, seen.height - 1), columns.clip(0, seen.width - 1))
        return replace(taken, values=np.where(inside, self.inputs[0][near], fill))

    def here(self, source: int = 0, channel: int | None = None) -> Taken:
        """Returns the value of one source at the unit's own position."""
        return self.depth(np.array([self.channel if channel is None else channel]), source)

    def depth(self, maps: Counts, source: int = 0) -> Taken:
        """Returns the values of some maps of one source at the unit's own position."""
        rows, columns = np.array([self.row]), np.array([self.column])
        values = self.inputs[source][maps, self.row, self.column][:, None, None]
        step = self.step
        return Taken(step.sources[source], step.inputs[source], maps, rows, columns, values)


Found: TypeAlias = tuple[tuple[Taken, ...], dict[str, float], float]


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
    if not sight.works_with.get("count_include_pad", True):
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


def _lrn(sight: Sight) -> Found:
    """For an even size, PyTorch's window has one more map before the unit's own than after it."""
    layer = sight.layer
    first = sight.channel - layer.size // 2
    maps = np.arange(max(0, first), min(sight.step.inputs[0].depth, first + layer.size))
    taken = sight.depth(maps)
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


RULES: dict[type[Layer], Callable[[Sight], Found]] = {
    sliding.Conv: _conv,
    sliding.MaxPool: _max,
    sliding.AvgPool: _mean,
    sliding.Subsample: _subsample,
    sliding.PadShortcut: _shortcut,
    spec.GlobalAvgPool: _mean,
    spec.AdaptiveAvgPool: _mean,
    spec.Relu: _of(lambda layer, x: max(0.0, x if layer.limit is None else min(layer.limit, x))),
    spec.Tanh: _of(lambda layer, x: layer.amplitude * math.tanh(layer.slope * x)),
    spec.Sigmoid: _of(lambda _layer, x: _sigmoid(x)),
    spec.Gelu: _of(lambda _layer, x: x * 0.5 * math.erfc(-x / math.sqrt(2))),
    spec.Dropout: _of(lambda _layer, x: x),
    spec.Identity: _of(lambda _layer, x: x),
    spec.BatchNorm: _batchnorm,
    spec.Lrn: _lrn,
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


def _line(axis: Axis, place: int) -> Counts:
    """The rows or columns that the output at a position reads, without those that dilation skips."""
    first, last = axis.sees(place, place)
    return np.arange(first, last + 1, axis.dilation)


def array(value: Tensor) -> Any:
    """Returns a tensor as an array; floating-point values become float64."""
    value = value.detach().cpu()
    return (value.double() if value.is_floating_point() else value).numpy()
