"""The arithmetic of one unit: its inputs, their weights, the products and their sum.

The value is computed again in float64 from the layer's inputs and weights, and compared with the value in
the network. If they differ, an error is raised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hubel.errors import NetworkError, UsageError
from hubel.instruments.arithmetic import RULES
from hubel.instruments.field import seen_by
from hubel.instruments.sight import Sight, Taken, array
from hubel.instruments.subject import Subject, bare
from hubel.instruments.unit import Unit
from hubel.net.field import NOTHING, Box
from hubel.net.foreign import Foreign
from hubel.net.layer import Layer
from hubel.net.sliding import AvgPool
from hubel.net.trace import INPUT

AGREES = 100
"""The largest difference accepted, in units of the network's own precision: 1e-5 in float32."""


@dataclass(frozen=True, slots=True)
class Neuron:
    """One unit of one image.

    `taken` is what it reads from its sources. `parts` are the numbers of its rule by name, in order, such as
    `sum` and `bias`. `value` is their result in float64, `computed` the value in the network. `box` are the
    pixels of the image it sees, without padding: `NOTHING` in a map of zeros.
    """

    unit: Unit
    layer: Layer
    taken: tuple[Taken, ...]
    parts: Mapping[str, float]
    value: float
    computed: float
    box: Box

    @property
    def difference(self) -> float:
        """The absolute difference between the network's value and the recomputed one."""
        return abs(self.value - self.computed)


def neuron(subject: Subject, image: Tensor, unit: Unit) -> Neuron:
    """Computes one unit for one image as the network sees it: depth x height x width.

    A map with a single position needs no row and column. Raises UsageError: not a single unit.
    Raises NetworkError: a layer whose arithmetic is not known, or whose module computes something else.
    """
    unit.check(subject.steps)
    step = subject.step(unit.path)
    if unit.channel is not None and unit.row is None and step.output.plane == (1, 1):
        unit = replace(unit, row=0, column=0)
    if unit.channel is None or unit.row is None or unit.column is None:
        raise UsageError(f"{unit} is {step.output}, not one unit; write {unit.path}[map,row,column]")
    works_with = subject.works_with(unit.path)
    layer = _averaging(bare(step.layer), works_with)
    rule = RULES.get(type(layer))
    if rule is None:
        raise NetworkError(f"{unit.path} is {layer!r}, whose arithmetic is not known unit by unit")
    values = subject.values(image[None], {step.path, *step.sources} - {INPUT}) | {INPUT: image[None]}
    arrays = tuple(array(values[source][0]) for source in step.sources)
    sight = Sight(step, layer, works_with, arrays, unit.channel, unit.row, unit.column)
    taken, parts, value = rule(sight)
    output = values[step.path]
    computed = float(output[0, unit.channel, unit.row, unit.column])
    _agree(unit, value, computed, _size(taken), output.dtype)
    seen = seen_by(subject, unit) if taken else NOTHING
    return Neuron(unit, layer, taken, parts, value, computed, seen)


def _averaging(layer: Layer, works_with: Mapping[str, Any]) -> Layer:
    """Average pooling with a divisor of its own, which is none of hubel's layers, as one for its window."""
    if not isinstance(layer, Foreign) or layer.op != "avg_pool2d" or "kernel_size" not in works_with:
        return layer
    given: dict[str, Any] = {"stride": "stride", "pad": "padding", "ceil": "ceil_mode"}
    options = {own: works_with[name] for own, name in given.items() if works_with.get(name)}
    return AvgPool(works_with["kernel_size"], **options)


def _size(taken: tuple[Taken, ...]) -> float:
    """The sum of the magnitudes that were added: rounding errors are relative to it."""
    terms = [each.values if each.products is None else each.products for each in taken]
    return float(sum(np.abs(each[np.isfinite(each)]).sum() for each in terms))


def _agree(unit: Unit, value: float, computed: float, size: float, kind: torch.dtype) -> None:
    """Raises NetworkError: the network's value differs from the recomputed one."""
    room = AGREES * torch.finfo(kind).eps * max(1.0, abs(value), size)
    if not abs(value - computed) <= room and not (math.isnan(value) and math.isnan(computed)):
        raise NetworkError(
            f"{unit} is {computed:g} in the network, but {value:g} by its layer's arithmetic: its module, "
            "or a hook on one before it, computes something of its own"
        )
