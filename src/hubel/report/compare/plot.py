"""The comparison as a figure for a paper: accuracy against MACs, and the history of ImageNet.

It is drawn with matplotlib's objects, without pyplot, and with settings of its own: the same networks
give the same bytes. In SVG, letters are shapes, so that the figure looks the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from hubel.errors import UsageError
from hubel.report.compare.facts import Facts
from hubel.report.compare.text import headings
from hubel.report.style import FORMS, INK, LINE, MUTED, RIGHT, WRONG, settings, written
from hubel.report.units import short
from hubel.zoo.history import HISTORY, HUMAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

Point: TypeAlias = tuple[str, Facts, float]
"""A network in the figure: its name, its facts, its top-1 accuracy in percent."""

AREA = 900.0
"""The area of the largest circle, in square points."""

SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "path",
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.parse_math": False,
}


def plot(facts: Sequence[Facts], form: str) -> bytes:
    """Draws the comparison as `svg`, `pdf` or `png`.

    Raises UsageError: no such format, or no published top-1 error among the networks.
    """
    if form not in FORMS:
        raise UsageError(f"a figure is written as {', '.join(FORMS)}, not {form or 'a file without ending'}")
    drawn, left_out = published(facts)
    with settings(SETTINGS, salt="hubel compare"):
        figure = Figure(figsize=(9.6, 4.0), dpi=200, facecolor="white")
        against_macs(figure.add_axes((0.06, 0.155, 0.42, 0.75)), drawn)
        history(figure.add_axes((0.56, 0.155, 0.42, 0.5)), figure.add_axes((0.56, 0.73, 0.42, 0.175)))
        said = "Accuracies as published, measured in different ways; `hubel zoo` says how."
        if left_out:
            said += f" Not drawn: {', '.join(left_out)}."
        figure.text(0.06, 0.015, said, color=MUTED, size=7)
        return written(figure, form, 200)


def published(facts: Sequence[Facts]) -> tuple[list[Point], list[str]]:
    """Returns the networks that can be drawn, and the names of the others with the reason.

    A network needs a published top-1 error, on the same data set as the first network that has one:
    accuracies on different data cannot be compared. Raises UsageError: none has a published error.
    """
    data, drawn, left_out = "", [], []
    for name, each in zip(headings(facts), facts, strict=True):
        entry = each.published
        if entry is None or entry.top1_error is None:
            left_out.append(f"{name} (no published top-1)")
        elif data not in ("", entry.data):
            left_out.append(f"{name} ({entry.data})")
        else:
            data = entry.data
            drawn.append((name, each, 100 - entry.top1_error))
    if not drawn:
        raise UsageError("none of these networks has a published top-1 error, so there is nothing to plot")
    return drawn, left_out


def against_macs(axes: Axes, drawn: Sequence[Point]) -> None:
    """Accuracy over MACs, one circle per network; its area is proportional to the parameters."""
    largest = max(each.params for _, each, _ in drawn)
    macs, tops = [each.macs for _, each, _ in drawn], [top for *_, top in drawn]
    areas = [AREA * each.params / largest for _, each, _ in drawn]
    axes.scatter(macs, tops, areas, RIGHT, alpha=0.35, linewidths=0, zorder=2)
    axes.scatter(macs, tops, 5, RIGHT, linewidths=0, zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(min(macs) / 1.8, max(macs) * 1.8)
    pad = max(1.0, 0.22 * (max(tops) - min(tops)))
    axes.set_ylim(min(tops) - 1.3 * pad, min(100.0, max(tops) + pad))
    _macs_ticks(axes)
    axes.set_xlabel("multiply-adds for one image")
    axes.set_ylabel(f"top-1 accuracy on {_data(drawn)}, %")
    axes.set_title("Accuracy against cost", loc="left", weight="bold", size=9.5)
    costliest_is_high = tops[macs.index(max(macs))] > sum(axes.get_ylim()) / 2
    key = _key(axes, largest, "lower right" if costliest_is_high else "upper left")
    _name_circles(axes, drawn, areas, key)


def history(bars: Axes, above: Axes) -> None:
    """The best top-5 error of each challenge as a bar, and the depth of its network above."""
    places = range(len(HISTORY))
    colours = [MUTED if entrant.depth is None else RIGHT for entrant in HISTORY]
    bars.bar(places, [entrant.top5_error for entrant in HISTORY], 0.62, color=colours, alpha=0.8)
    for place, entrant in enumerate(HISTORY):
        inside = entrant.top5_error < HUMAN  # above the bar it would stand on the line
        bars.annotate(
            f"{entrant.top5_error:g}",
            (place, entrant.top5_error),
            (0, -3 if inside else 3),
            textcoords="offset points",
            ha="center",
            va="top" if inside else "bottom",
            color="white" if inside else INK,
        )
    bars.axhline(HUMAN, color=WRONG, linewidth=1, linestyle=(0, (4, 2)), zorder=3)
    bars.set_xlim(-0.6, len(HISTORY) - 0.1)
    bars.annotate(
        f"human {HUMAN:g}",
        (len(HISTORY) - 0.1, HUMAN),
        (0, 3),
        textcoords="offset points",
        ha="right",
        color=WRONG,
    )
    bars.set_xticks(places, [f"{entrant.year}\n{entrant.name}" for entrant in HISTORY])
    bars.tick_params(axis="x", length=0, labelcolor=INK, labelsize=7.5)
    bars.set_ylim(0, 32)
    bars.set_ylabel("top-5 error, %")
    _depths(above)
    above.set_xlim(bars.get_xlim())


def _depths(axes: Axes) -> None:
    """The number of layers with weights of each entrant, on a logarithmic scale."""
    known = [(place, entrant.depth) for place, entrant in enumerate(HISTORY) if entrant.depth]
    axes.plot(*zip(*known, strict=True), "o-", color=RIGHT, linewidth=1.4, markersize=3.5)
    for place, layers in known:
        axes.annotate(f"{layers}", (place, layers), (0, 5), "data", "offset points", ha="center")
    for place in range(known[0][0]):
        axes.annotate("shallow", (place, 8), color=MUTED, ha="center", va="center")
    axes.set_yscale("log")
    axes.set_ylim(5, 330)
    axes.yaxis.set_major_locator(FixedLocator([10, 100]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_locator(NullLocator())
    axes.spines["bottom"].set_visible(False)
    axes.set_ylabel("layers")
    axes.set_title("ImageNet's challenge over the years", loc="left", weight="bold", size=9.5)


def _data(drawn: Sequence[Point]) -> str:
    entry = drawn[0][1].published
    return entry.data if entry else ""


def _macs_ticks(axes: Axes) -> None:
    """Ticks at 1, 2 and 5 times each power of ten in view, and faint horizontal lines."""
    low, high = axes.get_xlim()
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power, digit in product(powers, (1, 2, 5))]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def _name_circles(axes: Axes, drawn: Sequence[Point], areas: Sequence[float], key: Legend) -> None:
    """Writes each name beside its circle, on the first side that is still free."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    points = figure.dpi / 72
    frame = axes.get_window_extent(renderer)
    radii = [math.sqrt(area / math.pi) for area in areas]
    dots = axes.transData.transform([(each.macs, top) for _, each, top in drawn])
    circles = [
        Bbox.from_bounds(x, y, 0, 0).padded(max(2.0, 0.8 * radius) * points)
        for (x, y), radius in zip(dots, radii, strict=True)
    ]
    names = [key.get_window_extent(renderer)]
    for number, (name, each, top) in enumerate(drawn):
        taken = [*circles[:number], *circles[number + 1 :], *names]
        tries = []
        for across, up, horizontal, vertical in _sides(radii[number]):
            place: dict[str, Any] = {"xytext": (across, up), "ha": horizontal, "va": vertical}
            text = axes.annotate(name, (each.macs, top), textcoords="offset points", size=7.5, **place)
            box = text.get_window_extent(renderer)
            text.remove()
            clashes = sum(box.overlaps(other) for other in taken) + 10 * (not _within(box, frame))
            tries.append((clashes, place, box))
        _, place, box = min(tries, key=lambda tried: tried[0])
        axes.annotate(name, (each.macs, top), textcoords="offset points", size=7.5, zorder=4, **place)
        names.append(box)


def _within(box: Bbox, frame: Bbox) -> bool:
    return bool(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1)


def _sides(radius: float) -> list[tuple[float, float, str, str]]:
    """Places for a name around a circle of this radius in points, the best one first."""
    near, far = radius + 2, radius + 11
    return [
        (near, 0, "left", "center_baseline"),
        (-near, 0, "right", "center_baseline"),
        (0, near, "center", "bottom"),
        (0, -near, "center", "top"),
        (0.75 * near, 0.75 * near, "left", "bottom"),
        (0.75 * near, -0.75 * near, "left", "top"),
        (-0.75 * near, 0.75 * near, "right", "bottom"),
        (-0.75 * near, -0.75 * near, "right", "top"),
        (0, far, "center", "bottom"),
        (0, -far, "center", "top"),
    ]


def _key(axes: Axes, largest: int, corner: Literal["lower right", "upper left"]) -> Legend:
    """A legend of the circles in a corner: three round numbers of parameters."""
    power = 10 ** math.floor(math.log10(largest))
    first = next(power * digit for digit in (5, 2, 1) if power * digit <= largest)
    handles = [
        axes.scatter([], [], AREA * number / largest, RIGHT, alpha=0.35, linewidths=0, label=short(number))
        for number in (first, first / 5, first / 25)
    ]
    style: dict[str, Any] = {"frameon": False, "labelcolor": MUTED, "fontsize": 7.5, "title_fontsize": 7.5}
    spaces: dict[str, Any] = {"labelspacing": 1.5, "handletextpad": 1.0, "borderpad": 0.6}
    key: Legend = axes.legend(handles=handles, title="parameters", loc=corner, **style, **spaces)
    return key
