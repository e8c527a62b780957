"""Drive: what a unit is computed from, told by the units one looks at: the way back to the last filters.

Between a unit and the filter that makes it, maps stay apart: activations, normalisation, pooling. There
the way is followed map by map; at an addition it parts, and one that leads to a unit again is a skip
connection. The filter's weights are told as the unit feels them, scaled as batch normalisation scales
them at inference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from hubel.errors import UsageError
from hubel.instruments.filters import Filters, filters
from hubel.instruments.subject import Subject, bare
from hubel.instruments.unit import Unit
from hubel.net.layer import Elementwise
from hubel.net.layers import AdaptiveAvgPool, Add, BatchNorm, Concat, Fc, GlobalAvgPool, Lrn
from hubel.net.sliding import AvgPool, Conv, MaxPool, PadShortcut, Subsample
from hubel.net.trace import INPUT, Step

if TYPE_CHECKING:
    import numpy.typing as npt

    Kernel = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A map a filter reads: `unit`, by the unit one looks at where there is one; `weights`: float32, h x w.

    `share` is the share of the filter's sum of squares that is on this map.
    """

    unit: Unit
    weights: Kernel
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """One filter behind a unit, of the layer at `path`.

    Of one that reads the image `pixels` is the filter, float32, depth x h x w; of any other `inputs`
    are the maps it reads with most weight, the strongest first, of `reads` in all.
    """

    path: str
    reads: int
    pixels: Kernel | None = None
    inputs: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """What is summed up in a unit: filters, and units that come as they are through a skip connection."""

    filters: tuple[Wiring, ...]
    skips: tuple[Unit, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Drives:
    """The way back from units to what drives them, at most `most` maps of a filter each.

    It ends at the layers of `paths`, by whose units it is told.
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
        """What a unit, or every unit of a map, is computed from. Raises UsageError: no such unit."""
        unit.check(self.subject.steps)
        if unit.channel is None:
            raise UsageError(f"{unit} is a layer; name one of its maps, such as {unit}[0]")
        found: list[Wiring] = []
        skips: list[Unit] = []
        ways = [(unit.path, unit.channel, 1.0)]
        while ways:
            path, channel, scale = ways.pop(0)
            if path != unit.path and path in self.paths:
                skips.append(Unit(path, channel))
                continue
            wiring = self._wiring(path, channel, scale)
            if wiring is not None:
                found.append(wiring)
            else:
                scale *= self._scale(path, channel)
                ways += [(source, at, scale) for source, at in self._before(path, channel)]
        return Drive(tuple(found), tuple(dict.fromkeys(skips)))

    def _wiring(self, path: str, channel: int, scale: float) -> Wiring | None:
        """The filter that makes a map; None where none does."""
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
            Input(self._told(known.source, int(sees[at])), weights[at], float(energy[at]) / total)
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
        except UsageError:  # of a function, whose weights have no place
            return None

    def _told(self, path: str, channel: int) -> Unit:
        """A map by the unit one looks at: itself, or the one it comes from."""
        at = path, channel
        while at[0] not in self.paths:
            before = self._before(*at)
            if len(before) != 1 or before[0][0] == INPUT:
                return Unit(path, channel)
            (at,) = before
        return Unit(*at)

    def _before(self, path: str, channel: int) -> list[tuple[str, int]]:
        """The maps a map is made from where maps stay apart; none where they are mixed."""
        step = self._steps.get(path)
        if step is None:
            return []
        layer = bare(step.layer)
        if isinstance(layer, Concat):
            for source, volume in zip(step.sources, step.inputs, strict=True):
                if channel < volume.depth:
                    return [(source, channel)]
                channel -= volume.depth
        if isinstance(layer, PadShortcut):
            return [(step.sources[0], channel)] if channel < step.inputs[0].depth else []
        return [(source, channel) for source in step.sources] if isinstance(layer, _APART) else []

    def _scale(self, path: str, channel: int) -> float:
        """What a layer multiplies a map by, where it is batch normalisation; else 1."""
        step = self._steps.get(path)
        layer = bare(step.layer) if step else None
        if not isinstance(layer, BatchNorm):
            return 1.0
        if path not in self._scales:
            self._scales[path] = _normalising(self.subject.works_with(path), layer.eps)
        known = self._scales[path]
        return float(known[channel]) if channel < len(known) else 1.0


_APART = (Add, Elementwise, Lrn, MaxPool, AvgPool, Subsample, GlobalAvgPool, AdaptiveAvgPool)
"""Layers that make each map of the one at its place."""


def _normalising(parts: Mapping[str, object], eps: float) -> Kernel:
    """What batch normalisation multiplies maps by, gamma / sqrt(var + eps); empty where it is not known."""
    variance, gamma = parts.get("running_var"), parts.get("weight")
    if not isinstance(variance, Tensor):
        return np.zeros(0, np.float32)
    scale = (variance.detach().double() + eps).rsqrt()
    if isinstance(gamma, Tensor):
        scale = scale * gamma.detach().double()
    return scale.float().cpu().numpy()
