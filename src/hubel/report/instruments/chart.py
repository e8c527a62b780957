"""What the instruments' charts share: matplotlib on white, with the same bytes for the same numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from hubel.report.style import INK, LINE, MUTED, PAPER, RIGHT, WRONG, settings, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 144

SIGNED = LinearSegmentedColormap.from_list("signed", [RIGHT, "#ffffff", WRONG])
"""For numbers of both signs: the style's blue below zero, its orange above."""

STRONG = LinearSegmentedColormap.from_list("strong", ["#ffffff", "#f3d2bd", WRONG, "#5a2408"])
"""For numbers of at least zero: white is zero."""


class Chart:
    """A figure on white, with positions in points from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor=PAPER)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes with a faint frame."""
        box = (
            left / self.width,
            1 - (top + height) / self.height,
            width / self.width,
            height / self.height,
        )
        axes = self.figure.add_axes(box)
        axes.spines[:].set_color(LINE)
        axes.tick_params(length=0, labelsize=8, labelcolor=MUTED)
        return axes

    def title(self, left: float, top: float, text: str, note: str = "") -> None:
        """A title, and a note under it."""
        self.figure.text(left / self.width, 1 - top / self.height, text, size=11, weight="bold", color=INK)
        down = 1 - (top + 14) / self.height
        self.figure.text(left / self.width, down, note, size=8.5, color=MUTED, parse_math=False)

    def png(self) -> bytes:
        """The figure as a PNG."""
        return written(self.figure, "png", DPI)


@contextmanager
def chart(width: float, height: float) -> Iterator[Chart]:
    """A chart of this size in points, with matplotlib's defaults; restores the user's settings."""
    with settings({"text.parse_math": False}):
        yield Chart(width, height)


def finite(value: float, digits: int = 6) -> float | None:
    """Returns a number for JSON, which has neither NaN nor infinity."""
    return round(float(value), digits) if math.isfinite(value) else None


def brief(value: float, form: str = ".2f") -> str:
    """Returns a number as text: a dash for NaN, and `> 100` above 100."""
    if 100 < value < math.inf:
        return ">100"
    return "-" if math.isnan(value) else "∞" if math.isinf(value) else format(value, form)
