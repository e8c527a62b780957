"""Tuning as a polar plot per unit, and as statistics from layer to layer; text and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from hubel.instruments.tuning import Tuning, summary
from hubel.report.instruments.chart import Chart, brief, chart, finite
from hubel.report.style import INK, LINE, MUTED, RIGHT, WRONG
from hubel.report.units import count

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    Floats = npt.NDArray[np.float64]

_WIDTH, _MARGIN, _CELL, _ACROSS = 900.0, 18.0, 108.0, 8
_HEAD, _PANEL, _FOOT = 40.0, 190.0, 92.0
_MOST_MODULATION = 2.0

CLEAR = 0.1
"""The selectivity from which on a preferred orientation is shown."""


def tuning_figure(drawn: Sequence[Tuning], layers: Sequence[Tuning] = (), *, most: int = 32) -> bytes:
    """Draws tunings as a PNG: a polar plot for the first `most` units of each of `drawn`.

    A plot's direction is the orientation of the bars, its radius the strength of the response at the
    preferred frequency, relative to the unit's largest; the line is the preferred orientation, of units
    that have one (`oriented`). Where there are several `layers`, each of their units is a dot below, and
    each layer's median a line.
    """
    rows = [-(-min(most, len(each.units)) // _ACROSS) for each in drawn]
    height = sum(_HEAD + row * (_CELL + 26) for row in rows) + 2 * _MARGIN
    grows = len(layers) > 1
    with chart(_WIDTH, height + (grows and _HEAD + _PANEL + _FOOT)) as made:
        top = _MARGIN
        for each, row in zip(drawn, rows, strict=True):
            _polar(made, each, top, most)
            top += _HEAD + row * (_CELL + 26)
        if grows:
            _growth(made, layers, top + 4)
        return made.png()


def oriented(tuning: Tuning) -> npt.NDArray[np.bool_]:
    """Returns whether units prefer one orientation, rather than all alike or several.

    Those that do have a selectivity of at least `CLEAR`, and their largest response near the vector sum.
    """
    apart = np.abs((tuning.preferred - tuning.peak + 90) % 180 - 90)
    near = max(22.5, 180 / len(tuning.gratings.orientations))
    return np.asarray((tuning.selectivity >= CLEAR) & (apart <= near))


def as_text(layers: Sequence[Tuning]) -> str:
    """A line per layer, with the medians over the units that respond."""
    gratings = layers[0].gratings
    found = [summary(each) for each in layers]
    wide = max(5, *(len(each.path) for each in found))
    lines = [
        f"{count(len(gratings))} {gratings.colour} gratings of contrast {gratings.contrast:g}, "
        f"{len(gratings.orientations)} orientations x {len(gratings.frequencies)} frequencies x "
        f"{gratings.phases} phases; "
        "medians over the units that respond",
        f"{'layer':<{wide}}  {'respond':>11}  {'F1/F0':>6}  {'simple':>6}  {'selectivity':>11}  "
        f"{'half width':>10}  {'cycles/pixel':>12}",
    ]
    for each in found:
        share = "-" if np.isnan(each.simple) else f"{100 * each.simple:.0f} %"
        width = "-" if np.isnan(each.bandwidth) else f"{each.bandwidth:.1f}°"
        lines.append(
            f"{each.path:<{wide}}  {f'{each.answering} of {each.units}':>11}  {brief(each.modulation):>6}  "
            f"{share:>6}  {brief(each.selectivity):>11}  {width:>10}  {brief(each.frequency, '.3f'):>12}"
        )
    return "\n".join(lines)


def as_json(layers: Sequence[Tuning]) -> str:
    """All numbers except the responses, per unit; null if a unit has none, or if F1/F0 is infinite."""
    gratings = layers[0].gratings
    return json.dumps(
        {
            "gratings": {
                "orientations_degrees": gratings.orientations,
                "frequencies_cycles_per_pixel": gratings.frequencies,
                "phases": gratings.phases,
                "contrast": gratings.contrast,
                "colour": gratings.colour,
            },
            "layers": [_layer(each) for each in layers],
        },
        indent=2,
    )


def _layer(tuning: Tuning) -> dict[str, object]:
    short = summary(tuning)
    numbers = {
        "preferred_degrees": tuning.preferred,
        "peak_degrees": tuning.peak,
        "bandwidth_degrees": tuning.bandwidth,
        "frequency_cycles_per_pixel": tuning.frequency,
        "selectivity": tuning.selectivity,
        "modulation_f1_f0": tuning.modulation,
    }
    kinds = np.where(tuning.answers, np.where(tuning.simple, "simple", "complex"), "silent")
    return {
        "path": tuning.path,
        "units": short.units,
        "answering": short.answering,
        "median_modulation_f1_f0": finite(short.modulation),
        "simple_share": finite(short.simple),
        "median_selectivity": finite(short.selectivity),
        "median_bandwidth_degrees": finite(short.bandwidth),
        "median_frequency_cycles_per_pixel": finite(short.frequency),
        "tuning": [
            {
                "unit": str(unit),
                "kind": str(kinds[at]),
                **{name: finite(values[at]) for name, values in numbers.items()},
                "curve": [finite(value) for value in tuning.curves[at]],
            }
            for at, unit in enumerate(tuning.units)
        ],
    }


def _polar(made: Chart, tuning: Tuning, top: float, most: int) -> None:
    """The polar plots of one layer, `_ACROSS` in a row."""
    shown = min(most, len(tuning.units))
    gratings = tuning.gratings
    some = f"{shown} of {len(tuning.units)} units; " if shown < len(tuning.units) else ""
    note = (
        f"{some}direction: the bars' orientation; radius: response at the preferred frequency, contrast "
        f"{gratings.contrast:g}, {gratings.colour}; blue simple (F1/F0 > 1), orange complex; "
        "line: the preferred orientation, if there is one"
    )
    made.title(_MARGIN, top + 10, tuning.path, note)
    rows = -(-shown // _ACROSS)
    axes = made.axes(_MARGIN, top + _HEAD - 6, _ACROSS * _CELL, rows * (_CELL + 26))
    axes.set_axis_off()
    axes.set_xlim(0, _ACROSS * _CELL)
    axes.set_ylim(rows * (_CELL + 26), 0)
    clear = oriented(tuning)
    for at in range(shown):
        row, column = divmod(at, _ACROSS)
        line = tuning.preferred[at] if clear[at] else None
        _glyph(axes, tuning, at, line, ((column + 0.5) * _CELL, row * (_CELL + 26) + _CELL / 2))


def _glyph(axes: Axes, tuning: Tuning, at: int, preferred: float | None, centre: tuple[float, float]) -> None:
    """The plot of a unit around a centre, with a line at the preferred orientation, in degrees."""
    radius = 0.43 * _CELL
    circle = np.linspace(0, 2 * np.pi, 73)
    rings = [_around(circle, np.full(73, share * radius), centre) for share in (0.5, 1)]
    spokes = [_around(np.array([a, a + np.pi]), np.full(2, radius), centre) for a in np.arange(4) * np.pi / 4]
    axes.add_collection(LineCollection([*rings, *spokes], colors=LINE, linewidths=0.6))
    left, down = centre[0], centre[1] + radius + 12
    name = str(tuning.units[at].channel)
    if not tuning.answers[at]:
        axes.text(left, down, f"{name}  silent", size=7.5, ha="center", color=MUTED)
        return
    colour = RIGHT if tuning.simple[at] else WRONG
    angles = np.deg2rad(np.array(tuning.gratings.orientations))
    curve = tuning.curves[at] / tuning.curves[at].max() * radius
    lobes = _around(np.concatenate([angles, angles + np.pi]), np.tile(curve, 2), centre)
    axes.add_collection(PolyCollection([lobes], facecolors=f"{colour}40", edgecolors=colour, linewidths=1.2))
    if preferred is not None:
        ends = _around(np.deg2rad([preferred, preferred + 180]), np.full(2, radius), centre)
        axes.add_collection(LineCollection([ends], colors=INK, linewidths=0.7))
    angle = "-" if preferred is None else f"{round(preferred) % 180}°"
    axes.text(left, down, f"{name}   {angle}  {tuning.frequency[at]:.2f} c/px", **_LABEL)
    axes.text(
        left,
        down + 10,
        f"F1/F0 {brief(tuning.modulation[at])}  sel. {tuning.selectivity[at]:.2f}",
        **_LABEL | {"color": MUTED, "size": 6.5},
    )


_LABEL: dict[str, Any] = {"size": 7.5, "ha": "center", "color": INK}


def _around(angles: Floats, radii: Floats, centre: tuple[float, float]) -> Floats:
    """Points at angles counter-clockwise from the right, y downwards: n x 2."""
    return np.stack([centre[0] + radii * np.cos(angles), centre[1] - radii * np.sin(angles)], 1)


def _growth(made: Chart, layers: Sequence[Tuning], top: float) -> None:
    """How units change from layer to layer: phase sensitivity, selectivity."""
    made.title(
        _MARGIN,
        top + 10,
        "Layer by layer",
        "a dot is a unit that responds, the line the median; F1/F0 falls as bars' positions matter less",
    )
    wide = (_WIDTH - 2 * _MARGIN - 90) / 2
    panels = (
        ("F1/F0 (2: 2 and more)", [np.minimum(each.modulation, _MOST_MODULATION) for each in layers], 2.05),
        ("orientation selectivity", [each.selectivity for each in layers], 1.02),
    )
    for at, (label, values, limit) in enumerate(panels):
        axes = made.axes(_MARGIN + 36 + at * (wide + 54), top + _HEAD, wide, _PANEL)
        _dots(axes, values)
        axes.set_ylim(-0.03 * limit, limit)
        axes.set_ylabel(label, size=8.5, color=INK)
        axes.set_xticks(range(len(layers)), [each.path for each in layers], rotation=60, ha="right", size=7.5)
        axes.grid(axis="y", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        if not at:
            axes.axhline(1, color=INK, linewidth=0.8)
            axes.text(len(layers) - 0.55, 1.02, "simple", size=7.5, color=RIGHT, ha="right", va="bottom")
            axes.text(len(layers) - 0.55, 0.98, "complex", size=7.5, color=WRONG, ha="right", va="top")
        axes.set_xlim(-0.5, len(layers) - 0.5)


def _dots(axes: Axes, values: Sequence[Floats]) -> None:
    medians = []
    for place, each in enumerate(values):
        there = each[~np.isnan(each)]
        medians.append(float(np.median(there)) if len(there) else np.nan)
        spread = 0.28 * np.sin(np.arange(len(there)) * 2.4)  # apart, and the same each time
        axes.plot(place + spread, there, ".", color=MUTED, markersize=3, alpha=0.5, markeredgewidth=0)
    axes.plot(range(len(values)), medians, color=WRONG, linewidth=1.8, marker="o", markersize=4)
