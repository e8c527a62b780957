"""A trained network without a framework: its steps at inference, with weights as NumPy arrays.

Here batch normalisation and layer scale are folded into the layer before them, and what does nothing at
inference is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.errors import ModelError
from hubel.net.activations import PRelu
from hubel.net.growing import ConvTranspose
from hubel.net.layers import Dropout, DropPath, Fc, Identity, Rbf
from hubel.net.norms import BatchNorm, GroupNorm, LayerNorm, LayerScale
from hubel.net.sliding import Conv, Subsample
from hubel.net.trace import INPUT, Step, at_inference, trace, without_softmax
from hubel.net.window import pair

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.net.algebra import Net
    from hubel.net.volume import Volume

    Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A network that gives scores, as a runtime needs it.

    `steps` run in order and end with the scores. `weights` are the arrays of each step that has any, by path:
    the kernels of a convolution, filters x maps x height x width, or the factors, and the summands. `holds`
    names the normalisation whose values a step gives, where one is folded into it.
    """

    volume: Volume
    steps: tuple[Step, ...]
    weights: dict[str, tuple[Floats, Floats | None]]
    holds: dict[str, str]

    @property
    def end(self) -> str:
        """The path of the scores."""
        return self.steps[-1].path if self.steps else INPUT

    @property
    def output(self) -> Volume:
        """The volume of the scores."""
        return self.steps[-1].output if self.steps else self.volume

    def up_to(self, path: str) -> Frozen:
        """Returns the network up to and including a step."""
        end = next(at for at, step in enumerate(self.steps) if step.path == path)
        return replace(self, steps=self.steps[: end + 1])


def freeze(net: Net, volume: Volume, state: Mapping[str, npt.NDArray[Any]]) -> Frozen:
    """Returns a network with the weights of a model's file, `state`, by name.

    Raises ModelError: weights that the network has are missing, have another shape, or give no finite number
    when batch normalisation is folded.
    """
    steps = _used(without_softmax(at_inference(trace(net, volume))))
    readers = Counter(source for step in steps for source in step.sources)
    weights: dict[str, tuple[Floats, Floats | None]] = {}
    stands_for: dict[str, str] = {}
    left: list[Step] = []
    by_path: dict[str, Step] = {}
    for step in steps:
        sources = tuple(stands_for.get(source, source) for source in step.sources)
        before = by_path.get(sources[0])
        if isinstance(step.layer, BatchNorm | LayerScale):
            factor, summand = _normalisation(step, state)
            foldable = before is not None and isinstance(before.layer, Conv | Fc)
            if foldable and readers[step.sources[0]] == 1 and sources == step.sources:
                weights[sources[0]] = _folded(weights[sources[0]], factor, summand, step.path)
                stands_for[step.path] = sources[0]
                readers[sources[0]] = readers[step.path]
                continue
            weights[step.path] = _single(factor, step.path), _single(summand, step.path)
        elif step.layer.params(step.inputs[0]) or isinstance(step.layer, Rbf):
            weights[step.path] = _weights(step, state)
        kept = replace(step, sources=sources)
        left.append(kept)
        by_path[step.path] = kept
    holds = {own: norm for norm, own in stands_for.items()}
    return Frozen(volume, tuple(left), weights, holds)


def _used(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps that lead to the last one, without dropout and identities, which their source stands for."""
    stands_for: dict[str, str] = {}
    kept = []
    for step in steps:
        sources = tuple(stands_for.get(source, source) for source in step.sources)
        if isinstance(step.layer, Dropout | DropPath | Identity):
            stands_for[step.path] = sources[0]
        else:
            kept.append(replace(step, sources=sources))
    return tuple(kept)


def _weights(step: Step, state: Mapping[str, npt.NDArray[Any]]) -> tuple[Floats, Floats | None]:
    layer, seen = step.layer, step.inputs[0]
    if isinstance(layer, Rbf):
        return _array(state, f"{step.path}.codes", (layer.units, seen.values)), None
    if isinstance(layer, PRelu):
        return _array(state, f"{step.path}.weight", (layer.params(seen),)), None
    if isinstance(layer, Subsample | LayerNorm | GroupNorm):
        shape = (seen.depth,)
        return _array(state, f"{step.path}.weight", shape), _array(state, f"{step.path}.bias", shape)
    if isinstance(layer, Fc):
        weight = _array(state, f"{step.path}.weight", (layer.units, seen.values))
        return weight, _array(state, f"{step.path}.bias", (layer.units,)) if layer.bias else None
    assert isinstance(layer, Conv | ConvTranspose)
    size = pair(layer.size)
    if isinstance(layer, ConvTranspose):
        kernels = _array(state, f"{step.path}.weight", (seen.depth, layer.filters // layer.groups, *size))
        return kernels, _array(state, f"{step.path}.bias", (layer.filters,)) if layer.bias else None
    if layer.links is None:
        kernels = _array(state, f"{step.path}.weight", (layer.filters, seen.depth // layer.groups, *size))
    else:
        places = [(row, column) for row, maps in enumerate(layer.links) for column in maps]
        kernels = np.zeros((layer.filters, seen.depth, *size), np.float32)
        rows, columns = zip(*places, strict=True)
        kernels[rows, columns] = _array(state, f"{step.path}.weight", (len(places), *size))
    return kernels, _array(state, f"{step.path}.bias", (layer.filters,)) if layer.bias else None


def _normalisation(
    step: Step, state: Mapping[str, npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The factor and the summand of each map of batch normalisation at inference, or of layer scale.

    Raises ModelError: a variance is so far below zero that it has no root.
    """
    if isinstance(step.layer, LayerScale):
        factors = _array(state, f"{step.path}.weight", (step.output.depth,)).astype(np.float64)
        return factors, np.zeros_like(factors)
    assert isinstance(step.layer, BatchNorm)
    names = ("weight", "bias", "running_mean", "running_var")
    scale, shift, mean, variance = (
        _array(state, f"{step.path}.{name}", (step.output.depth,)).astype(np.float64) for name in names
    )
    if (variance + step.layer.eps <= 0).any():
        raise ModelError(f"{step.path}.running_var has a variance below zero; train the model again")
    factor = scale / np.sqrt(variance + step.layer.eps)
    return factor, shift - mean * factor


def _folded(
    weights: tuple[Floats, Floats | None],
    factor: npt.NDArray[np.float64],
    summand: npt.NDArray[np.float64],
    path: str,
) -> tuple[Floats, Floats]:
    """Weights whose outputs are multiplied by a factor and moved by a summand, per filter or unit.

    Factor and summand are those of the batch normalisation at `path`.
    """
    kernels, bias = weights
    scaled = kernels * factor.reshape(-1, *[1] * (kernels.ndim - 1))
    moved = summand if bias is None else bias * factor + summand
    return _single(scaled, path), _single(moved, path)


def _single(values: npt.NDArray[np.float64], path: str) -> Floats:
    """Values in float32. Raises ModelError: some are too large for it."""
    if (np.abs(values) > np.finfo(np.float32).max).any():
        raise ModelError(f"{path} scales weights beyond the range of float32; train the model again")
    return values.astype(np.float32)


def _array(state: Mapping[str, npt.NDArray[Any]], name: str, shape: tuple[int, ...]) -> Floats:
    """A weight of the file. Raises ModelError: it is missing, or has another shape."""
    found = state.get(name)
    if found is None or found.shape != shape:
        had = "nothing" if found is None else "x".join(map(str, found.shape))
        raise ModelError(f"for {name} the network has {'x'.join(map(str, shape))}, the file {had}")
    return found.astype(np.float32, copy=False)
