"""Topography: the position that responds to each position of the spot, as a figure, text and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from hubel.instruments.topography import Sweep, Topography
from hubel.report.instruments.chart import STRONG, Chart, chart, finite
from hubel.report.style import INK, LINE, MUTED, RIGHT, WRONG

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _MARGIN, _SIDE, _HEAD, _FOOT = 760.0, 18.0, 190.0, 44.0, 40.0


def topography_figure(layers: Sequence[Topography]) -> bytes:
    """Draws topographies as a PNG, a row per layer.

    Left and middle: the response of each position of a map, by row and by column, to a spot at each pixel,
    between lines that show what each position sees by the ledger. Right: the position of the response in the
    image, against that of the spot.
    """
    row = _HEAD + _SIDE + _FOOT
    with chart(_WIDTH, len(layers) * row + _MARGIN) as made:
        for at, each in enumerate(layers):
            _row(made, each, at * row + _MARGIN)
        return made.png()


def as_text(layers: Sequence[Topography]) -> str:
    """A line per layer: the distance of responses from the spot, and responses from outside their boxes."""
    lines = []
    for each in layers:
        apart = [_apart(sweep) for sweep in (each.rows, each.columns)]
        off = f"{np.nanmean(apart):.2f} pixels" if np.isfinite(apart).any() else "nowhere"
        outside = each.rows.outside + each.columns.outside
        lines.append(
            f"{each.path}: {len(each.rows.boxes)} x {len(each.columns.boxes)} positions, "
            f"the response is {off} from the spot on average; {outside} responses from outside their boxes"
        )
    return "\n".join(lines)


def as_json(layers: Sequence[Topography]) -> str:
    """Boxes, centres, and the position of the response to each spot."""
    return json.dumps(
        [{"path": each.path, "rows": _sweep(each.rows), "columns": _sweep(each.columns)} for each in layers],
        indent=2,
    )


def _sweep(sweep: Sweep) -> dict[str, object]:
    return {
        "boxes": sweep.boxes.tolist(),
        "centres": sweep.centres.tolist(),
        "spots": sweep.spots.tolist(),
        "followed": [finite(value, 4) for value in sweep.followed],
        "outside": sweep.outside,
    }


def _apart(sweep: Sweep) -> float:
    apart = np.abs(sweep.followed - sweep.spots.mean(1))
    return float(np.nanmean(apart)) if np.isfinite(apart).any() else float("nan")


def _row(made: Chart, layer: Topography, top: float) -> None:
    high, wide = len(layer.rows.boxes), len(layer.columns.boxes)
    outside = layer.rows.outside + layer.columns.outside
    note = (
        f"{high} x {wide} positions, {_first(layer.rows)} apart; between the lines: what each position "
        f"sees by the ledger; {outside or 'no'} responses outside them"
    )
    made.title(_MARGIN, top + 4, layer.path, note)
    for at, (name, sweep) in enumerate((("row", layer.rows), ("column", layer.columns))):
        axes = made.axes(_MARGIN + 34 + at * (_SIDE + 56), top + _HEAD, _SIDE, _SIDE)
        _answers(axes, sweep)
        axes.set_xlabel(f"pixel {name} of the spot", size=8, color=INK)
        axes.set_ylabel(f"{name} of the map", size=8, color=INK)
    axes = made.axes(_MARGIN + 34 + 2 * (_SIDE + 56), top + _HEAD, _SIDE, _SIDE)
    for name, sweep, colour in (("rows", layer.rows, RIGHT), ("columns", layer.columns, WRONG)):
        axes.plot(sweep.spots.mean(1), sweep.followed, color=colour, linewidth=1.4, label=name)
    ends = [0, max(layer.rows.spots.max(), layer.columns.spots.max())]
    axes.plot(ends, ends, color=MUTED, linewidth=0.8, linestyle=":")
    axes.legend(frameon=False, fontsize=7.5, labelcolor=INK, loc="upper left")
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_xlabel("pixel of the spot", size=8, color=INK)
    axes.set_ylabel("pixel of the response", size=8, color=INK)


def _first(sweep: Sweep) -> str:
    """The distance between positions, by the first two."""
    pixels = np.diff(sweep.centres)[0] if len(sweep.boxes) > 1 else 0
    return f"{pixels:g} pixel{'' if pixels == 1 else 's'}"


def _answers(axes: Axes, sweep: Sweep) -> None:
    """The responses as cells, each column relative to its largest, and the bounds of the boxes as lines."""
    most = np.maximum(sweep.answers.max(1, keepdims=True), np.finfo(np.float32).tiny)
    first, last = sweep.spots[:, 0], sweep.spots[:, 1]
    places = len(sweep.boxes)
    middle = sweep.spots.mean(1)
    extent = (middle[0] - 0.5, middle[-1] + 0.5, places - 0.5, -0.5)
    cells = (sweep.answers / most).T
    axes.imshow(cells, cmap=STRONG, vmin=0, vmax=1, extent=extent, aspect="auto", interpolation="none")
    half = (last[0] - first[0]) / 2
    edges = np.repeat(np.arange(places + 1) - 0.5, 2)[1:-1]
    for bounds, by in ((sweep.boxes[:, 0], -0.5 - half), (sweep.boxes[:, 1], 0.5 + half)):
        axes.plot(np.repeat(bounds + by, 2), edges, color=RIGHT, linewidth=0.9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
