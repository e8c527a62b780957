"""Steps while they are read from a file: layers with their names, weights, and where they read from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from hubel.foreign.found import Array, Entry, Found
from hubel.foreign.value import NO_SIDES, Value
from hubel.net.activations import HardSigmoid, Relu, Sigmoid
from hubel.net.layers import (
    Add,
    Concat,
    Dropout,
    Fc,
    GlobalAvgPool,
    Identity,
    Multiply,
    Part,
    Shuffle,
    Softmax,
)
from hubel.net.norms import BatchNorm, GroupNorm, LayerNorm, LayerScale
from hubel.net.sliding import AvgPool, Conv, MaxPool
from hubel.net.trace import INPUT, Step
from hubel.net.volume import Volume

if TYPE_CHECKING:
    from hubel.net.layer import Layer

KEEP_SIGN = (MaxPool, AvgPool, GlobalAvgPool, Dropout, Identity, Part, Shuffle, Concat, Add, Multiply)
"""Layers that make no negative values of values that are none."""


class NoLayerError(Exception):
    """Says why an operation is none of hubel's layers."""


@dataclass(slots=True)
class Builder:
    """The steps that were read so far, and their weights by path."""

    volume: Volume
    steps: dict[str, Step] = field(default_factory=dict)
    weights: dict[str, dict[str, Array]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """What each step is called in the file, by its path: steps that are left out give their names free."""
    affines: set[str] = field(default_factory=set)
    entry: Entry | None = None
    remarks: dict[str, None] = field(default_factory=dict)
    models: dict[str, None] = field(default_factory=dict)
    """The names of the models in the file."""

    def add(self, layer: Layer, values: Sequence[Value], name: str, **weights: Array) -> Value:
        """Adds a step and returns its output, with the axes of its first input.

        Raises NoLayerError: it reads an input that was prepared in two ways, or padding it cannot take.
        Raises SizeError: the layer does not take these inputs.
        """
        for value in values:
            self._enter(value)
        inputs = tuple(value.volume for value in values)
        output = layer.output(*inputs)
        path = _free(name, layer.kind, self.steps)
        self.names[path] = name
        self.steps[path] = Step(path, layer, tuple(value.path for value in values), inputs, output)
        if weights:
            self.weights[path] = weights
        return values[0].moved(path, output)

    def affine(self, value: Value, scale: Array, shift: Array, name: str) -> Value:
        """Multiplies and shifts each map.

        Of the input it becomes a part of the entry. Elsewhere it is a layer of its own, which `found` folds
        into the one before where that can be.
        """
        if value.path == INPUT and value.entry is not None and value.pad == NO_SIDES:
            return replace(value, entry=value.entry.then(scale, shift))
        layer = BatchNorm(eps=0.0) if np.any(shift) else LayerScale()
        made = self.add(layer, [value], name, weight=scale, bias=shift)
        self.affines.add(made.path)
        return made

    def remark(self, text: str) -> None:
        """Notes what a reader should know, once."""
        self.remarks[text] = None

    def never_negative(self, path: str) -> bool:
        """Whether no value of a step can be below zero, by the layers that make it."""
        step = self.steps.get(path)
        if step is None:
            return False
        if isinstance(step.layer, Relu | Sigmoid | HardSigmoid | Softmax):
            return True
        return isinstance(step.layer, KEEP_SIGN) and all(map(self.never_negative, step.sources))

    def leads(self, start: str, end: str) -> bool:
        """Whether a step, or the input, leads to another step."""
        if start == INPUT:
            return end != INPUT
        reached = {start}
        for path, step in self.steps.items():
            if not reached.isdisjoint(step.sources):
                reached.add(path)
        return end in reached - {start}

    def found(self, end: Value, classes: tuple[str, ...] | None = None) -> Found:
        """Returns what leads to the scores at `end`."""
        needed = {end.path}
        for path in reversed(self.steps):
            if path in needed:
                needed.update(self.steps[path].sources)
        kept = {path: step for path, step in self.steps.items() if path in needed}
        stands_for = self._folded(kept)
        for path in self.affines & kept.keys():
            self._complete(kept[path])
        paths = _apart(kept, self.names)
        paths |= {path: paths[other] for path, other in stands_for.items()}
        steps = tuple(
            replace(step, path=paths[step.path], sources=tuple(paths[source] for source in step.sources))
            for step in kept.values()
        )
        weights = {paths[path]: self.weights[path] for path in kept if path in self.weights}
        entry = self.entry or end.entry or Entry.plain(self.volume.depth)
        made = {paths[path]: path for path in kept}
        made |= {paths[path]: path for path in stands_for}  # of several, the last
        return Found(
            self.volume,
            steps,
            paths[end.path],
            weights,
            entry,
            classes,
            tuple(self.remarks),
            tuple(self.models),
            made,
        )

    def _enter(self, value: Value) -> None:
        """Notes what was done to the input, and refuses zeros that no layer takes."""
        if value.pad != NO_SIDES:
            raise NoLayerError("it reads padded values, which only a convolution or pooling does here")
        if value.path == INPUT and value.entry is not None:
            if self.entry is not None and not self.entry.same(value.entry):
                raise NoLayerError("the input is prepared in two ways")
            self.entry = value.entry

    def _folded(self, steps: dict[str, Step]) -> dict[str, str]:
        """Folds factors and summands into the layers that alone are before them.

        Takes the folded steps out of `steps`, and returns for each the step that stands for it.
        """
        readers = Counter(source for step in steps.values() for source in step.sources)
        stands_for: dict[str, str] = {}
        for path in [path for path in steps if path in self.affines]:
            before = stands_for.get(steps[path].sources[0], steps[path].sources[0])
            if before == INPUT or readers[steps[path].sources[0]] > 1:
                continue
            step, own = steps[before], self.weights[path]
            if isinstance(step.layer, Conv | Fc | BatchNorm | GroupNorm | LayerNorm):
                steps[before] = _scaled(step, self.weights.get(before, {}), own["weight"], own["bias"])
                del steps[path]
                stands_for[path] = before
        for path, step in steps.items():
            sources = tuple(stands_for.get(source, source) for source in step.sources)
            steps[path] = replace(step, sources=sources)
        return stands_for

    def _complete(self, step: Step) -> None:
        """Gives a factor and summand that nothing took the weights of its layer: mean 0 and variance 1."""
        own = self.weights[step.path]
        if isinstance(step.layer, BatchNorm):
            zeros = np.zeros_like(own["bias"])
            own |= {"running_mean": zeros, "running_var": zeros + 1}
        else:
            del own["bias"]


def _scaled(step: Step, weights: dict[str, Array], scale: Array, shift: Array) -> Step:
    """Returns a step whose outputs are multiplied and shifted, per map; its weights, if any, are changed."""
    if "weight" in weights and not np.all(scale == 1):
        weight = weights["weight"]
        factors = scale.reshape(-1, *[1] * (weight.ndim - 1))
        weights["weight"] = (weight * factors).astype(np.float32)
    bias = weights.get("bias")
    if bias is not None:
        weights["bias"] = bias * scale + shift
    elif np.any(shift) and isinstance(step.layer, Conv | Fc):
        weights["bias"] = shift
        return replace(step, layer=replace(step.layer, bias=True))
    return step


def _free(name: str, kind: str, taken: Container[str]) -> str:
    """Returns a free path: the name, with the kind of layer behind where it is taken."""
    if name and name != INPUT and name not in taken:
        return name
    stem = f"{name}_{kind}" if name else kind
    number = 1
    while (path := f"{stem}{number}" if not name or number > 1 else stem) in taken:
        number += 1
    return path


def _apart(steps: Mapping[str, Step], names: Mapping[str, str]) -> dict[str, str]:
    """Returns a path for each step, its name if it may; what others are under gets kinds behind, in order."""
    groups = {names[path][: found.start()] for path in steps for found in re.finditer(r"\.", names[path])}
    taken = set(groups)
    paths = {INPUT: INPUT}
    for path, step in steps.items():
        name, kind = names[path], step.layer.kind
        new, number = _free(name, kind, taken), 1
        if name in groups:  # a call of the module itself, beside its submodules
            while (new := f"{name}.{kind}{number}") in taken:
                number += 1
        taken.add(new)
        paths[path] = new
    return paths
