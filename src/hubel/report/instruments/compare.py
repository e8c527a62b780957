"""The CKA of two networks' layers: as a matrix, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hubel.report.instruments.chart import STRONG, Chart, chart, finite
from hubel.report.style import INK, MUTED
from hubel.report.units import count

if TYPE_CHECKING:
    from hubel.instruments.compare import Likeness

_CELL, _HEAD, _MARGIN, _MOST_WRITTEN = 26.0, 46.0, 18.0, 16


def likeness_figure(found: Sequence[Likeness], first: str, others: Sequence[str]) -> bytes:
    """Draws the CKA of every layer of one network (down) with every layer of each other as a PNG."""
    sizes = [_size(each) for each in found]
    width = max(430.0, *(_MARGIN + left + across + 80 for left, across, _, _ in sizes))
    heights = [_HEAD + down + below + _MARGIN for _, _, down, below in sizes]
    with chart(width, sum(heights)) as made:
        top = 0.0
        for each, other, height in zip(found, others, heights, strict=True):
            _matrix(made, each, (first, other), top)
            top += height
        return made.png()


def likeness_as_json(found: Sequence[Likeness], first: str, others: Sequence[str]) -> str:
    """The matrices; null if a layer is the same for all images."""
    return json.dumps(
        [
            {
                "first": first,
                "second": second,
                "images": each.images,
                "first_layers": each.first,
                "second_layers": each.second,
                "cka": [[finite(value) for value in row] for row in each.values],
            }
            for second, each in zip(others, found, strict=True)
        ],
        indent=2,
        ensure_ascii=False,
    )


def likeness_as_text(found: Likeness, first: str, second: str) -> str:
    """For each layer of the first network, the most similar layer of the second."""
    lines = [f"{first} and {second}: linear CKA on {count(found.images)} images"]
    wide = max(map(len, found.first))
    for row, (path, other) in enumerate(found.nearest.items()):
        value = found.values[row, found.second.index(other)]
        said = f"most like {other}, {value:.3f}" if np.isfinite(value) else "the same for all images"
        lines.append(f"  {path:<{wide}}  {said}")
    return "\n".join(lines)


def _font(found: Likeness) -> float:
    return min(8.0, 0.8 * _cell(found))


def _cell(found: Likeness) -> float:
    most = max(found.values.shape)
    return _CELL if most <= _MOST_WRITTEN else max(9.0, 520 / most)


def _size(found: Likeness) -> tuple[float, float, float, float]:
    """The size of a matrix in points: names to its left, its width and height, names below it."""
    cell, font = _cell(found), _font(found)
    rows, columns = found.values.shape
    left, below = (0.62 * font * max(map(len, names)) + 34 for names in (found.first, found.second))
    return left, cell * columns, cell * rows, below


def _matrix(made: Chart, found: Likeness, names: tuple[str, str], top: float) -> None:
    """One matrix, its scale beside it."""
    rows, columns = found.values.shape
    left, across, down, _ = _size(found)
    font = _font(found)
    note = f"linear CKA on {count(found.images)} images: 1 is alike, 0 unrelated"
    made.title(_MARGIN, top + _MARGIN + 4, f"{names[0]} and {names[1]}", note)
    axes = made.axes(_MARGIN + left, top + _HEAD, across, down)
    shown = axes.imshow(found.values, cmap=STRONG, vmin=0, vmax=1, aspect="auto", interpolation="none")
    axes.set_yticks(range(rows), found.first, size=font, color=INK)
    axes.set_xticks(range(columns), found.second, size=font, color=INK, rotation=90)
    axes.set_ylabel(names[0], size=9, color=MUTED)
    axes.set_xlabel(names[1], size=9, color=MUTED)
    if max(rows, columns) <= _MOST_WRITTEN:
        for row, column in np.argwhere(np.isfinite(found.values)):
            value = found.values[row, column]
            colour = "#ffffff" if value > 0.6 else INK
            axes.text(column, row, f"{value:.2f}", size=7, ha="center", va="center", color=colour)
    scale = made.axes(_MARGIN + left + across + 14, top + _HEAD, 9, down)
    bar = made.figure.colorbar(shown, cax=scale)
    scale.spines[:].set_visible(False)
    bar.outline.set_visible(False)
    scale.tick_params(length=0, labelsize=7.5, labelcolor=MUTED)
