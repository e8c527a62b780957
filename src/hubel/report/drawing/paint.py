"""The shapes of a drawing, and how they become SVG, PNG or PDF.

`hubel.report.drawing.layout.layout` makes the shapes. The same shapes always give the same bytes. Lengths are
in points; y points up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Outline

from hubel.net.volume import Volume
from hubel.report.style import INK, MUTED, settings, written

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Solid:
    """A block seen from the front, a little from above and from the right.

    (`x`, `y`) is the middle of its left side, `length` its extent along the depth of the volume, `height`
    its extent upwards, `across` the shift from front to back. `bands` are its colours from left to right,
    each with its length.
    """

    x: float
    y: float
    length: float
    height: float
    across: Point
    bands: tuple[tuple[str, float], ...]

    @property
    def front(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of the front face."""
        left, bottom = self.x - self.across[0] / 2, self.y - self.height / 2 - self.across[1] / 2
        return left, bottom, left + self.length, bottom + self.height


@dataclass(frozen=True, slots=True)
class Box:
    """A volume and its paths, drawn as one solid per tower, or without solids as a sign at `x`, `y`."""

    name: str
    paths: tuple[str, ...]
    volume: Volume
    kind: str
    x: float
    y: float
    solids: tuple[Solid, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrow:
    """A wire from one volume to the next along `points`; without points the two volumes touch."""

    source: str
    target: str
    points: tuple[Point, ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text with its baseline at `y`; its left, center or right (`align`) is at `x`."""

    text: str
    x: float
    y: float
    size: float
    tone: str = "ink"
    align: str = "center"


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle around parts that belong together; `tone` is `panel` (branches) or `repeat`."""

    left: float
    bottom: float
    right: float
    top: float
    tone: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A thin line, such as the bracket under a stage."""

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing of `width` x `height` points."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    texts: tuple[Text, ...]
    frames: tuple[Frame, ...] = ()
    rules: tuple[Rule, ...] = ()
    legend: tuple[Box, ...] = ()


PLUS = 5.0
"""The radius of the circle at a sum."""

SIGNS: dict[str, tuple[tuple[Point, Point], ...]] = {
    "add": (((-2.8, 0), (2.8, 0)), ((0, -2.8), (0, 2.8))),
    "gate": (((-2, -2), (2, 2)), ((-2, 2), (2, -2))),
}
"""The lines in the circle where branches meet, by kind: a plus, a times."""

_COLOURS = {
    "input": "#dedbd2",
    "conv": "#f3c969",
    "activation": "#e08e2b",
    "norm": "#7fb38a",
    "pool": "#c9563c",
    "fc": "#6f9bd1",
    "concat": "#b9a7d6",
    "other": "#b8bcc2",
}
_TEXT = {"ink": INK, "muted": MUTED}
_WIRE = "#3a3a3e"
_PANEL, _LINE = "#f4f2ec", "#9a978e"
_CORNER = 5.0
_DPI = 220


def draw(drawing: Drawing, form: str) -> bytes:
    """Paints a drawing as `svg`, `png` or `pdf` on white. The same drawing gives the same bytes."""
    with settings():
        return written(painted(drawing), form, _DPI)


def painted(drawing: Drawing) -> Figure:
    """The drawing as a figure with one set of axes, whose unit is a point."""
    figure = Figure(figsize=(drawing.width / 72, drawing.height / 72), dpi=72, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(0, drawing.height)
    for frame in drawing.frames:
        _frame(axes, frame)
    for box in (*drawing.boxes, *drawing.legend):
        for solid in box.solids:
            _solid(axes, solid)
    for rule in drawing.rules:
        _line(axes, rule.points, _LINE, 0.7)
    for arrow in drawing.arrows:
        _arrow(axes, arrow)
    for box in (*drawing.boxes, *drawing.legend):
        if not box.solids:
            _sign(axes, box.kind, box.x, box.y)
    for text in drawing.texts:
        axes.text(
            text.x, text.y, text.text, size=text.size, color=_TEXT[text.tone], ha=text.align, va="baseline",
            parse_math=False,
        )  # fmt: skip
    return figure


def _solid(axes: Axes, solid: Solid) -> None:
    """Paints the front and top of each band of a block, and its right side in the first band's colour."""
    left, bottom, right, top = solid.front
    dx, dy = solid.across
    at = left
    for tone, length in solid.bands:
        end = at + length
        colour = _COLOURS[tone]
        _face(axes, [(at, bottom), (end, bottom), (end, top), (at, top)], colour, colour)
        _face(
            axes,
            [(at, top), (end, top), (end + dx, top + dy), (at + dx, top + dy)],
            _mixed(colour, 1, 0.4),
            colour,
        )
        at = end
    first = _COLOURS[solid.bands[0][0]]
    side = [(right, bottom), (right + dx, bottom + dy), (right + dx, top + dy), (right, top)]
    _face(axes, side, _mixed(first, 0, 0.14), first)


def _face(axes: Axes, corners: Sequence[Point], fill: str, colour: str) -> None:
    axes.add_patch(
        Polygon(
            corners,
            closed=True,
            facecolor=fill,
            edgecolor=_mixed(colour, 0, 0.45),
            linewidth=0.4,
            joinstyle="round",
        )
    )


def _mixed(colour: str, grey: float, share: float) -> str:
    """A colour mixed with a share of black (`grey` 0) or white (`grey` 1)."""
    red, green, blue = (value + (grey - value) * share for value in to_rgb(colour))
    return to_hex((red, green, blue))


def _frame(axes: Axes, frame: Frame) -> None:
    """Paints a frame: a panel as a pale background, a repeat as a dashed line."""
    panel = frame.tone == "panel"
    axes.add_patch(
        FancyBboxPatch(
            (frame.left, frame.bottom),
            frame.right - frame.left,
            frame.top - frame.bottom,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor=_PANEL if panel else "none",
            edgecolor="none" if panel else _LINE,
            linewidth=0.8,
            linestyle="-" if panel else (0, (3, 2)),
        )
    )


def _arrow(axes: Axes, arrow: Arrow) -> None:
    """Paints a wire with round corners and an arrowhead; nothing where two volumes touch."""
    if len(arrow.points) < 2:
        return
    (x, y), end = arrow.points[-2], arrow.points[-1]
    length = math.hypot(end[0] - x, end[1] - y)
    if length == 0:
        return
    along = ((end[0] - x) / length, (end[1] - y) / length)
    size = min(4.0, length)
    neck = (end[0] - size * along[0] * 0.8, end[1] - size * along[1] * 0.8)
    _line(axes, (*arrow.points[:-1], neck), _WIRE, 0.7, dashed=arrow.dashed)
    across = (-along[1] * size * 0.42, along[0] * size * 0.42)
    base = (end[0] - size * along[0], end[1] - size * along[1])
    head = [end, (base[0] + across[0], base[1] + across[1]), (base[0] - across[0], base[1] - across[1])]
    axes.add_patch(Polygon(head, closed=True, facecolor=_WIRE, edgecolor="none"))


def _line(axes: Axes, points: Sequence[Point], colour: str, width: float, *, dashed: bool = False) -> None:
    """Paints a line with round corners."""
    shape, codes = [points[0]], [Outline.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(_CORNER, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        if radius > 0:
            shape += [_towards(corner, before, radius), corner, _towards(corner, after, radius)]
            codes += [Outline.LINETO, Outline.CURVE3, Outline.CURVE3]
    outline = Outline([*shape, points[-1]], [*codes, Outline.LINETO])
    style = (0, (2.5, 1.8)) if dashed else "-"
    axes.add_patch(
        PathPatch(outline, fill=False, edgecolor=colour, linewidth=width, linestyle=style, capstyle="butt")
    )


def _towards(start: Point, end: Point, length: float) -> Point:
    share = length / math.dist(start, end)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _sign(axes: Axes, kind: str, x: float, y: float) -> None:
    axes.add_patch(Circle((x, y), PLUS, facecolor="white", edgecolor=_WIRE, linewidth=0.8))
    for (left, down), (right, up) in SIGNS[kind]:
        _line(axes, ((x + left, y + down), (x + right, y + up)), _WIRE, 0.9)
