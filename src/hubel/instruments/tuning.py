"""Tuning: what Hubel and Wiesel measured, the responses of units to drifting gratings.

A grating is a cosine around middle grey. Its orientation is that of its bars, in degrees counter-clockwise
from the horizontal of the image: 0 is horizontal bars, 90 vertical bars, and 180 is 0 again. Its frequency
is in cycles per pixel across the bars, at most 0.5. Its phase is at the image's centre: 0 has a bright bar
there.

Over the phases of one grating, a response has a mean, F0, relative to the response to plain grey, and an
amplitude, F1, with which it follows the bars as they move. The strength of a response is the larger of the
two, as in cortex. A unit is simple if F1/F0 is above 1: its response depends on the position of the bars. It
is complex below: its response shows only that they are present.

Sources: Hubel and Wiesel 1962; Skottun et al. 1991 (F1/F0); Ringach et al. 2002 (circular variance).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hubel.errors import UsageError, nearest
from hubel.instruments.subject import Subject, glance
from hubel.instruments.unit import Unit
from hubel.net.volume import Volume

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Responses = npt.NDArray[np.float32]

COLOURS: dict[str, tuple[float, float, float]] = {
    "grey": (1.0, 1.0, 1.0),
    "red-green": (1.0, -1.0, 0.0),
    "blue-yellow": (-0.5, -0.5, 1.0),
}
"""The amplitude of a grating in each channel, by the name of its colours."""

BATCH = 64
_SILENT = 1e-6


@dataclass(frozen=True, slots=True)
class Gratings:
    """The gratings to show: every orientation at every frequency, in `phases` even steps.

    `orientations` in degrees, evenly from 0 to below 180; `frequencies` in cycles per pixel; `contrast` is
    Michelson contrast, so that 1 goes from black to white; `colour` is a name in `COLOURS`.

    Raises UsageError: too few of them, a frequency above 0.5, or no such colour.
    """

    orientations: tuple[float, ...]
    frequencies: tuple[float, ...]
    phases: int = 8
    contrast: float = 1.0
    colour: str = "grey"

    def __post_init__(self) -> None:
        even = np.arange(len(self.orientations)) * 180 / max(len(self.orientations), 1)
        if len(even) < 4 or not np.allclose(self.orientations, even):
            raise UsageError("orientations are 4 or more, evenly from 0 to below 180 degrees")
        if not self.frequencies or not all(0 < each <= 0.5 for each in self.frequencies):
            raise UsageError("frequencies are one or more, above 0 and at most 0.5 cycles per pixel")
        if self.phases < 4:
            raise UsageError(f"phases are at least 4, to separate mean and amplitude, not {self.phases}")
        if not 0 < self.contrast <= 1:
            raise UsageError(f"contrast is above 0 and at most 1, not {self.contrast}")
        if self.colour not in COLOURS:
            hint = nearest(self.colour, COLOURS)
            raise UsageError(f"there is no colour {self.colour!r}{hint}; choose {', '.join(COLOURS)}")

    @classmethod
    def over(
        cls,
        volume: Volume,
        *,
        orientations: int = 24,
        frequencies: int = 8,
        phases: int = 8,
        contrast: float = 1.0,
        colour: str = "grey",
    ) -> Gratings:
        """Returns gratings for images of a volume: from two cycles per longer side, at least 0.02, to 0.4.

        Above 0.4 cycles per pixel, aliasing distorts a grating. Raises UsageError: as the class.
        """
        lowest = min(max(2 / max(volume.plane), 0.02), 0.2)
        return cls(
            tuple(180 * at / max(orientations, 1) for at in range(orientations)),
            tuple(float(each) for each in np.geomspace(lowest, 0.4, max(frequencies, 0))),
            phases,
            contrast,
            colour,
        )

    def __len__(self) -> int:
        return len(self.orientations) * len(self.frequencies) * self.phases

    def light(self, volume: Volume, orientation: float, frequency: float, phase: float) -> Floats:
        """Returns one grating: float64, height x width x depth, black 0 and white 1; angles in degrees."""
        rows = np.arange(volume.height)[:, None] - (volume.height - 1) / 2
        columns = np.arange(volume.width)[None] - (volume.width - 1) / 2
        angle = np.deg2rad(orientation)
        across = columns * np.sin(angle) + rows * np.cos(angle)
        wave = np.cos(2 * np.pi * frequency * across + np.deg2rad(phase))
        return np.asarray(0.5 + 0.5 * self.contrast * wave[..., None] * _tint(self.colour, volume))

    def pixels(self, volume: Volume, batch: int = BATCH) -> Iterator[Tensor]:
        """Yields all as images: uint8, n x height x width x depth; phases vary fastest, orientations slowest.

        Raises UsageError: a colour for grey images.
        """
        _tint(self.colour, volume)
        waiting: list[npt.NDArray[np.uint8]] = []
        for orientation in self.orientations:
            for frequency in self.frequencies:
                for at in range(self.phases):
                    light = self.light(volume, orientation, frequency, 360 * at / self.phases)
                    waiting.append(np.rint(255 * light).astype(np.uint8))
                    if len(waiting) == batch:
                        yield torch.from_numpy(np.stack(waiting))
                        waiting = []
        if waiting:
            yield torch.from_numpy(np.stack(waiting))


@dataclass(frozen=True, eq=False)
class Tuning:
    """The responses of units of one layer to gratings.

    `responses`: float32, units x orientations x frequencies x phases; `blank`: float32, units, the response
    to plain grey. Properties have one value per unit, unless they say otherwise; NaN if the unit responds to
    no grating.
    """

    path: str
    units: tuple[Unit, ...]
    gratings: Gratings
    responses: Responses
    blank: Responses

    @cached_property
    def f0(self) -> Floats:
        """The mean over phases minus the response to grey: units x orientations x frequencies."""
        return np.asarray(self.responses.mean(3, dtype=np.float64) - self.blank[:, None, None])

    @cached_property
    def f1(self) -> Floats:
        """The amplitude with which responses follow the phase: units x orientations x frequencies."""
        phases = self.gratings.phases
        turn = np.exp(-2j * np.pi * np.arange(phases) / phases)
        return np.asarray(np.abs(self.responses.astype(np.float64) @ turn) * 2 / phases)

    @cached_property
    def strength(self) -> Floats:
        """The larger of F1 and F0, at least 0: units x orientations x frequencies."""
        return np.maximum(self.f1, np.maximum(self.f0, 0))

    @cached_property
    def answers(self) -> npt.NDArray[np.bool_]:
        """Whether a unit responds to any grating."""
        largest = np.abs(self.responses).max(initial=0)
        return np.asarray(self.strength.max((1, 2)) > _SILENT * max(float(largest), _SILENT))

    @cached_property
    def best(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The indices of the orientation and the frequency of the strongest response."""
        flat = self.strength.reshape(len(self.units), -1).argmax(1)
        orientations, frequencies = np.divmod(flat, len(self.gratings.frequencies))
        return orientations, frequencies

    @property
    def curves(self) -> Floats:
        """The strength over orientations at the preferred frequency: units x orientations."""
        return self.strength[np.arange(len(self.units)), :, self.best[1]]

    @property
    def peak(self) -> Floats:
        """The orientation on the grid with the strongest response, in degrees."""
        return self._answered(np.array(self.gratings.orientations)[self.best[0]])

    @property
    def preferred(self) -> Floats:
        """The preferred orientation in degrees: half the direction of the vector sum at twice the angle."""
        return self._answered(np.rad2deg(np.angle(self._vector)) / 2 % 180)

    @property
    def selectivity(self) -> Floats:
        """1 minus the circular variance: 0 if all orientations are alike, 1 if there is one only."""
        with np.errstate(invalid="ignore"):
            return self._answered(np.abs(self._vector) / self.curves.sum(1))

    @property
    def frequency(self) -> Floats:
        """The preferred spatial frequency on the grid, in cycles per pixel."""
        return self._answered(np.array(self.gratings.frequencies)[self.best[1]])

    @property
    def bandwidth(self) -> Floats:
        """The half width at half height of the curve, in degrees, the mean of its two sides.

        The curve is interpolated linearly. NaN if a side does not fall to half within 90 degrees.
        """
        step = 180 / len(self.gratings.orientations)
        widths = [step * _half_width(curve) for curve in self.curves]
        return self._answered(np.array(widths))

    @property
    def modulation(self) -> Floats:
        """F1/F0 at the strongest response: above 1 is simple, below is complex.

        F0 is its magnitude. Infinite if F0 is zero, as for a linear unit.
        """
        units = np.arange(len(self.units))
        first, mean = (each[units, *self.best] for each in (self.f1, np.abs(self.f0)))
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._answered(np.where(mean > _SILENT * first, first / mean, np.inf))

    @property
    def simple(self) -> npt.NDArray[np.bool_]:
        """Whether a unit is simple; False if it responds to nothing."""
        return np.asarray(self.modulation > 1)

    @property
    def _vector(self) -> npt.NDArray[np.complex128]:
        return np.asarray(self.curves @ np.exp(2j * np.deg2rad(np.array(self.gratings.orientations))))

    def _answered(self, values: Floats) -> Floats:
        return np.where(self.answers, values, np.nan)


@dataclass(frozen=True, slots=True)
class Summary:
    """The units of a layer together: medians over those that respond, NaN if none does.

    `answering` is how many of `units` respond; `simple` is the fraction of these with F1/F0 above 1;
    `bandwidth` is in degrees, over the units that have one.
    """

    path: str
    units: int
    answering: int
    modulation: float
    simple: float
    selectivity: float
    bandwidth: float
    frequency: float


def tune(
    subject: Subject,
    units: Sequence[Unit],
    see: Callable[[Tensor], Tensor] | None = None,
    gratings: Gratings | None = None,
    *,
    batch: int = BATCH,
    progress: Callable[[int], None] | None = None,
) -> tuple[Tuning, ...]:
    """Shows gratings to a network and returns the responses of units, by layer in the network's order.

    A layer stands for all its maps, a map for its central unit. `see` turns images, uint8, n x height x
    width x depth, into the network's input, as a model's `preprocessing.normalise` does; by default into
    values from 0 to 1. Layers after the last one asked for do not run. `progress` is called with the
    number of gratings shown.

    Raises UsageError: no units, no such layer or unit.
    """
    shown = gratings or Gratings.over(subject.volume)
    see = see or light
    layers = _by_layer(subject, units)
    if not layers:
        raise UsageError("name the units to show gratings to")
    grey = torch.full((1, *subject.volume.plane, subject.volume.depth), 128, dtype=torch.uint8)
    blank = _out(subject, see(grey), layers)
    parts: dict[str, list[Tensor]] = {path: [] for path in layers}
    done = 0
    for images in shown.pixels(subject.volume, batch):
        for path, values in _out(subject, see(images), layers).items():
            parts[path].append(values)
        done += len(images)
        if progress is not None:
            progress(done)
    grid = (len(shown.orientations), len(shown.frequencies), shown.phases)
    return tuple(
        Tuning(
            path,
            tuple(chosen),
            shown,
            torch.cat(parts[path]).T.reshape(len(chosen), *grid).numpy(),
            blank[path][0].numpy(),
        )
        for path, chosen in layers.items()
    )


def summary(tuning: Tuning) -> Summary:
    """Returns the summary of a tuning."""
    answers = tuning.answers
    widths = tuning.bandwidth
    return Summary(
        path=tuning.path,
        units=len(answers),
        answering=int(answers.sum()),
        modulation=_median(tuning.modulation[answers]),
        simple=float(tuning.simple[answers].mean()) if answers.any() else float("nan"),
        selectivity=_median(tuning.selectivity[answers]),
        bandwidth=_median(widths[~np.isnan(widths)]),
        frequency=_median(tuning.frequency[answers]),
    )


def light(images: Tensor) -> Tensor:
    """Returns images, uint8, n x h x w x depth, as values from 0 to 1: float32, n x depth x h x w."""
    return images.permute(0, 3, 1, 2).float() / 255


def _out(subject: Subject, images: Tensor, layers: dict[str, list[Unit]]) -> dict[str, Tensor]:
    """The values of units: for each layer float32, images x units, on the CPU."""
    values = glance(subject, images, list(layers))
    out = {}
    for path, units in layers.items():
        places = torch.tensor([(unit.channel, unit.row, unit.column) for unit in units])
        channels, rows, columns = places.T.to(values[path].device)
        out[path] = values[path][:, channels, rows, columns].float().cpu()
    return out


def _by_layer(subject: Subject, units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """The single units that names stand for, by layer."""
    layers: dict[str, list[Unit]] = {}
    for unit in units:
        unit.check(subject.steps)
        volume = subject.step(unit.path).output
        row, column = (volume.height // 2, volume.width // 2) if unit.row is None else (unit.row, unit.column)
        channels = range(volume.depth) if unit.channel is None else (unit.channel,)
        layers.setdefault(unit.path, []).extend(Unit(unit.path, channel, row, column) for channel in channels)
    order = [step.path for step in subject.steps if step.path in layers]
    return {path: list(dict.fromkeys(layers[path])) for path in order}


def _tint(colour: str, volume: Volume) -> Floats:
    """The amplitude of a grating in each channel of a volume."""
    if volume.depth == 3:
        return np.array(COLOURS[colour])
    if colour != "grey":
        raise UsageError(f"{colour} gratings need three channels; the network sees {volume}")
    return np.ones(volume.depth)


def _half_width(curve: Floats) -> float:
    """Steps from a closed curve's maximum to half of it, the mean of both sides; NaN if it stays above."""
    start, half = int(curve.argmax()), curve.max() / 2
    sides = []
    for direction in (1, -1):
        walk = curve[(start + direction * np.arange(len(curve) // 2 + 1)) % len(curve)]
        below = np.flatnonzero(walk <= half)
        if not len(below) or half <= 0:
            return float("nan")
        end = int(below[0])
        sides.append(end - 1 + (walk[end - 1] - half) / (walk[end - 1] - walk[end]))
    return float(np.mean(sides))


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else float("nan")
