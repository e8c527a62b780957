"""Drive: which filters a unit is computed by, and which maps those filters read.

Between a unit and its filter there are layers that treat each map by itself: activations, normalisation,
pooling. The path back follows one map through them. At an addition it branches, and a branch that reaches a
shown layer before a filter is a skip connection; at a gate it follows what is gated. Filter weights include
the scale of batch normalisation at inference. Maps are named by the layers that are shown, such as
activations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hubel.errors import UsageError
from hubel.instruments.filters import Filters, filters
from hubel.instruments.origins import origins
from hubel.instruments.subject import Subject, bare
from hubel.instruments.unit import Unit
from hubel.net.layers import Fc, Multiply
from hubel.net.norms import BatchNorm, LayerScale, Lrn
from hubel.net.sliding import Conv
from hubel.net.trace import INPUT, Step

if TYPE_CHECKING:
    import numpy.typing as npt

    Kernel = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A map that a filter reads: `unit`, of a shown layer if possible; `weights`: float32, h x w.

    `share` is this map's share of the filter's sum of squared weights.
    """

    unit: Unit
    weights: Kernel
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """One filter behind a unit, of the layer at `path`; it reads `reads` maps.

    If it reads the image, `pixels` is the filter, float32, depth x h x w. Otherwise `inputs` are the maps
    with the largest weights, the largest first.
    """

    path: str
    reads: int
    pixels: Kernel | None = None
    inputs: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """What is added up in a unit: the results of filters, and units that arrive by a skip connection."""

    filters: tuple[Wiring, ...]
    skips: tuple[Unit, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Drives:
    """Traces units back to what drives them, with at most `most` maps per filter.

    `paths` are the layers that are shown: maps are named by them, and skip connections end at them.
    """

    subject: Subject
    paths: Sequence[str]
    most: int = 6
    _steps: dict[str, Step] = field(default_factory=dict)
    _filters: dict[str, Filters | None] = field(default_factory=dict)
    _scales: dict[str, Kernel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._steps.update((step.path, step) for step in self.subject.steps)

    def of(self, unit: Unit) -> Drive:
        """Returns what a unit, or every unit of a map, is computed from. Raises UsageError: no such unit."""
        unit.check(self.subject.steps)
        if unit.channel is None:
            raise UsageError(f"{unit} is a layer; name one of its maps, such as {unit}[0]")
        found: list[Wiring] = []
        skips: list[Unit] = []
        branches = [(unit.path, unit.channel, 1.0)]
        while branches:
            path, channel, scale = branches.pop(0)
            if path != unit.path and path in self.paths:
                skips.append(Unit(path, channel))
                continue
            wiring = self._wiring(path, channel, scale)
            if wiring is not None:
                found.append(wiring)
            else:
                scale *= self._scale(path, channel)
                branches += [(source, at, scale) for source, at in self._before(path, channel)]
        return Drive(tuple(found), tuple(dict.fromkeys(skips)))

    def _wiring(self, path: str, channel: int, scale: float) -> Wiring | None:
        """The filter that computes a map, or None if its layer has none."""
        if path not in self._filters:
            self._filters[path] = self._read(path)
        known = self._filters[path]
        if known is None:
            return None
        weights, sees = known.weights[channel] * np.float32(scale), known.sees[channel]
        if known.source == INPUT:
            pixels = np.zeros((known.depth, *weights.shape[1:]), np.float32)
            pixels[sees] = weights
            return Wiring(path, len(sees), pixels)
        energy = np.einsum("mhw,mhw->m", weights, weights, dtype=np.float64)
        strongest = np.argsort(-energy, kind="stable")[: self.most]
        total = float(energy.sum()) or 1.0
        inputs = tuple(
            Input(self._named(known.source, int(sees[at])), weights[at], float(energy[at]) / total)
            for at in strongest
            if energy[at] > 0
        )
        return Wiring(path, len(sees), None, inputs)

    def _read(self, path: str) -> Filters | None:
        step = self._steps.get(path)
        if step is None or not isinstance(bare(step.layer), (Conv, Fc)):
            return None
        try:
            return filters(self.subject, path)
        except UsageError:  # a function whose weights are not known
            return None

    def _named(self, path: str, channel: int) -> Unit:
        """A map by its name in a shown layer: itself, or the map it is made from."""
        at = path, channel
        while at[0] not in self.paths:
            before = self._before(*at)
            if len(before) != 1 or before[0][0] == INPUT:
                return Unit(path, channel)
            (at,) = before
        return Unit(*at)

    def _before(self, path: str, channel: int) -> list[tuple[str, int]]:
        """The maps that a map is made from if its layer treats each map by itself; none if it mixes maps."""
        step = self._steps.get(path)
        if step is None:
            return []
        if isinstance(bare(step.layer), Lrn):  # of other maps it takes the divisor alone
            return [(step.sources[0], channel)]
        made_from = origins(step, channel) or ()
        if isinstance(bare(step.layer), Multiply):  # a gate scales the map, and adds nothing to it
            made_from = made_from[:1]
        return [(step.sources[at], there) for at, there in made_from]

    def _scale(self, path: str, channel: int) -> float:
        """The factor of a map in batch normalisation or layer scale; 1 for any other layer."""
        step = self._steps.get(path)
        layer = bare(step.layer) if step else None
        if not isinstance(layer, BatchNorm | LayerScale):
            return 1.0
        if path not in self._scales:
            self._scales[path] = _factors(self.subject.works_with(path), layer)
        known = self._scales[path]
        return float(known[channel]) if channel < len(known) else 1.0


def _factors(parts: Mapping[str, object], layer: BatchNorm | LayerScale) -> Kernel:
    """The factors of layer scale, or gamma / sqrt(var + eps) of batch normalisation; 1 if not known."""
    variance, gamma = parts.get("running_var"), parts.get("weight")
    scale = gamma.detach().double() if isinstance(gamma, Tensor) else torch.ones(1, dtype=torch.double)
    if isinstance(layer, BatchNorm):
        if not isinstance(variance, Tensor):
            return np.zeros(0, np.float32)
        scale = scale * (variance.detach().double() + layer.eps).rsqrt()
    return scale.float().cpu().numpy()
