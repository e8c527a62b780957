"""The figures of a run's report: arrays in, SVG text or PNG bytes out, the same for the same arrays.

Colours in the SVG are CSS variables with a fallback (`var(--ink, #1d1d1f)`), so that a page can
change them in dark mode; text stays text. pyplot is not used, and the user's settings of matplotlib are
restored afterwards.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from PIL import Image

from hubel.report.style import settings

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from hubel.evaluation.calibration import Reliability

    Bytes = npt.NDArray[np.uint8]
    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]

INK, MUTED, LINE, RIGHT, WRONG = (f"#01020{number}" for number in range(1, 6))
"""Placeholder colours for matplotlib; `_VARIABLES` has the CSS variable that replaces each."""

_VARIABLES = {
    INK: "var(--ink, #1d1d1f)",
    MUTED: "var(--muted, #66666b)",
    LINE: "var(--line, #dddad3)",
    RIGHT: "var(--right, #2f6fb0)",
    WRONG: "var(--wrong, #c8602b)",
}
_RIGHT_RGB, _WRONG_RGB = (47, 111, 176), (200, 96, 43)
"""The colours of the confusion matrix's cells on any background; white text is legible on both."""

_FONT = 10.0
_FONT_IN_CELLS = 12.5
_SMALLEST_FONT = 6.0
_MOST_COUNTED = 20
_LONGEST_NAME = 20


class Curves(NamedTuple):
    """The three figures of a run over its epochs, each as SVG."""

    loss: str
    top1: str
    lr: str


def curves(lines: Sequence[Mapping[str, Any]]) -> Curves:
    """Draws loss, top-1 and learning rate over the epochs: the lines of `metrics.jsonl`, one or more."""
    epochs = [line["epoch"] for line in lines]
    best = max((line["epoch"] for line in lines if line["best"]), default=None)
    loss = {
        "training": [line["train_loss"] for line in lines],
        "validation": [line["val_loss"] for line in lines],
    }
    top1 = {
        "training": [line["train_top1"] for line in lines],
        "validation": [line["val_top1"] for line in lines],
    }
    return Curves(
        loss=_curve("Loss", "nats", epochs, loss, best, logarithmic=_spans_much(loss)),
        top1=_curve("Top-1", "accuracy", epochs, top1, best, percent=True),
        lr=_curve(
            "Learning rate", "last step of the epoch", epochs, {"": [line["lr"] for line in lines]}, None
        ),
    )


def confusion(matrix: Counts, classes: Sequence[str]) -> str:
    """Draws a confusion matrix: int64, classes x classes, a row per true class, a column per prediction.

    A cell's opacity grows with the square root of its share of the row, so that one mistake in a hundred
    is still visible. With up to 20 classes, the counts are written in the cells.
    """
    number = len(classes)
    cell = min(44.0, 680 / number)
    names = [_plain(name) for name in classes]
    longest = max(map(len, names))
    font = min(_FONT_IN_CELLS, max(_SMALLEST_FONT, 0.9 * cell))
    upright = longest * 0.65 * font < cell
    left, top = 30 + 0.62 * font * longest, 30 + (font if upright else 0.62 * font * longest)
    side = cell * number
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    with settings(salt="confusion"):
        figure, axes = _axes((left + side + 8, top + side + 8), (left, 8, side, side))
        axes.imshow(_cells(shares), interpolation="none", extent=(-0.5, number - 0.5, number - 0.5, -0.5))
        _name_cells(axes, names, math.ceil(1.1 * font / cell), font, upright=upright)
        _titles(figure, left + side / 2, top + side / 2)
        if number <= _MOST_COUNTED:
            _write_counts(axes, matrix, shares)
        label = f"Confusion matrix of {number} classes, the truth down, the prediction across"
        return _svg(figure, label, enlarge=1.1, least=560 if number > _MOST_COUNTED else 0)


def reliability(found: Mapping[str, Reliability]) -> str:
    """Draws accuracy against confidence, a line for each of `found`; the last is emphasised.

    A dot is a range of probabilities, its area the share of the images in it.
    """
    width, height = 360.0, 376.0
    with settings(salt="reliability"):
        figure, axes = _axes((width, height), (46, 40, 300, 300))
        figure.text(0, 1 - 12 / height, "Calibration", size=12, weight="bold", color=INK, va="center")
        figure.text(1, 1 - 12 / height, "accuracy", size=_FONT, color=MUTED, va="center", ha="right")
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1.2)
        for at, (name, each) in enumerate(found.items(), 1):
            colour = RIGHT if at == len(found) else MUTED
            filled = each.images > 0
            columns = (each.confidence, each.accuracy, each.images)
            confidence, accuracy, images = (values[filled].numpy() for values in columns)
            axes.plot(confidence, accuracy, color=colour, linewidth=1.2)
            axes.scatter(
                confidence, accuracy, 12 + 240 * images / images.sum(), color=colour, linewidths=0, zorder=3
            )
            axes.text(0.03, 1.04 - 0.06 * at, name, color=colour, size=_FONT, va="top")
        axes.set(xlim=(0, 1.03), ylim=(0, 1.03))
        axes.set_xlabel("confidence", size=_FONT, color=MUTED)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
        axes.tick_params(length=0, pad=6, labelsize=_FONT, labelcolor=MUTED)
        return _svg(figure, "Accuracy of the predictions by their confidence", enlarge=1.35)


def filters(weights: Floats, *, side: int = 64, across: int = 16) -> bytes:
    """Draws filters as a PNG: float32, n x depth x h x w, `across` in a row, each about `side` wide.

    All are on one scale, symmetric around zero: zero is middle grey, the largest magnitude black or white.
    Depth 3 is drawn in colour, depth 1 in grey, any other depth as the mean over it. The gaps between
    filters are transparent.
    """
    values = weights if weights.shape[1] in (1, 3) else weights.mean(1, keepdims=True)
    largest = float(np.abs(values).max())
    scaled = np.rint(127.5 + 127.5 * values / largest) if largest else np.full_like(values, 128)
    pixels = np.broadcast_to(scaled, (len(values), 3, *values.shape[2:])).astype(np.uint8)
    factor = max(1, round(side / max(values.shape[2:])))
    pixels = pixels.repeat(factor, 2).repeat(factor, 3)
    height, width = pixels.shape[2:]
    gap = max(2, width // 12)
    columns = min(across, len(pixels))
    rows = math.ceil(len(pixels) / columns)
    grid = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for place, image in enumerate(pixels):
        down, right = (place // columns) * (height + gap), (place % columns) * (width + gap)
        grid[down : down + height, right : right + width, :3] = image.transpose(1, 2, 0)
        grid[down : down + height, right : right + width, 3] = 255
    return _png(Image.fromarray(grid))


def thumbnail(pixels: Bytes, *, side: int = 160) -> bytes:
    """Draws an image as a PNG of at most `side` pixels: uint8, h x w x c, c of 1 or 3.

    A small image is enlarged by a whole factor, without blur; a large one is reduced with antialiasing.
    """
    drawn = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    factor = side // max(drawn.size)
    if factor >= 1:
        return _png(drawn.resize((drawn.width * factor, drawn.height * factor), Image.Resampling.NEAREST))
    drawn.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _png(drawn)


def _curve(
    title: str,
    unit: str,
    epochs: Sequence[int],
    lines: Mapping[str, Sequence[float]],
    best: int | None,
    *,
    percent: bool = False,
    logarithmic: bool = False,
) -> str:
    """One or two lines over the epochs; of two, the first is training, and each has its name at its end."""
    width, height, right = 360.0, 230.0, 62.0 if len(lines) > 1 else 14.0
    with settings(salt=title):
        figure, axes = _axes((width, height), (46, 36, width - 46 - right, height - 36 - 40))
        figure.text(0, 1 - 12 / height, title, size=12, weight="bold", color=INK, va="center")
        figure.text(1, 1 - 12 / height, unit, size=_FONT, color=MUTED, va="center", ha="right")
        colours = (MUTED, RIGHT) if len(lines) > 1 else (RIGHT,)
        marker = "o" if len(epochs) == 1 else ""
        for values, colour in zip(lines.values(), colours, strict=True):
            axes.plot(epochs, values, color=colour, linewidth=1.8, marker=marker, solid_capstyle="round")
        if best is not None:
            value = list(lines.values())[-1][list(epochs).index(best)]
            axes.plot([best], [value], "o", color=RIGHT, markersize=6)
        _scale(axes, epochs, percent=percent, logarithmic=logarithmic)
        for name, height_at, colour in _name_places(axes, lines, colours):
            axes.annotate(
                name,
                (1, height_at),
                (6, 0),
                "axes fraction",
                "offset points",
                color=colour,
                size=_FONT,
                va="center",
            )
        return _svg(figure, f"{title} over {len(epochs)} epochs", enlarge=1.35)


def _scale(axes: Axes, epochs: Sequence[int], *, percent: bool, logarithmic: bool) -> None:
    """Sets the ticks and limits of a curve: whole epochs, few numbers, faint horizontal lines."""
    axes.set_xlabel("epoch", size=_FONT, color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    pad = min(0.6, 0.03 * (epochs[-1] - epochs[0])) or 0.5
    axes.set_xlim(epochs[0] - pad, epochs[-1] + pad)
    if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        low, high = axes.get_ylim()
        axes.set_ylim(low if percent else 0, min(high, 1 + 0.02 * (1 - low)) if percent else high)
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{100 * value:.4g} %" if percent else f"{value:.4g}")
    )
    axes.tick_params(which="both", length=0, labelsize=_FONT, labelcolor=MUTED)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)


def _name_places(
    axes: Axes, lines: Mapping[str, Sequence[float]], colours: Sequence[str]
) -> list[tuple[str, float, str]]:
    """The heights of the names of two lines, as shares of the axes' height, without overlap."""
    if len(lines) < 2:
        return []
    ends = [
        (0.0, values[-1] if math.isfinite(values[-1]) else axes.get_ylim()[1]) for values in lines.values()
    ]
    heights = [float(axes.transAxes.inverted().transform(axes.transData.transform(end))[1]) for end in ends]
    least = 0.09
    if abs(heights[0] - heights[1]) < least:
        middle, upper = sum(heights) / 2, 0 if heights[0] > heights[1] else 1
        heights[upper], heights[1 - upper] = middle + least / 2, middle - least / 2
    return list(zip(lines, heights, colours, strict=True))


def _spans_much(lines: Mapping[str, Sequence[float]]) -> bool:
    """Whether losses span so much that only a logarithmic scale shows them all."""
    values = [value for line in lines.values() for value in line if math.isfinite(value)]
    return bool(values) and 0 < 50 * min(values) < max(values)


def _cells(shares: npt.NDArray[np.float64]) -> Bytes:
    """The colours of a confusion matrix: uint8, classes x classes x 4; the diagonal has another hue."""
    colours = np.empty((*shares.shape, 4), np.uint8)
    colours[..., :3] = np.where(np.eye(len(shares), dtype=bool)[..., None], _RIGHT_RGB, _WRONG_RGB)
    colours[..., 3] = np.rint(255 * _opacity(shares))
    return colours


def _name_cells(axes: Axes, names: Sequence[str], every: int, font: float, *, upright: bool) -> None:
    """Writes one name in `every` above and left of the cells, and draws lines between few cells."""
    shown = range(0, len(names), every)
    style: dict[str, Any] = {"parse_math": False, "fontsize": font, "color": INK, "rotation_mode": "anchor"}
    turned = {"rotation": 0} if upright else {"rotation": 90, "ha": "left", "va": "center"}
    axes.set_xticks(list(shown), [names[place] for place in shown], **style, **turned)
    axes.set_yticks(list(shown), [names[place] for place in shown], **style)
    axes.tick_params(length=0, pad=4, top=True, labeltop=True, bottom=False, labelbottom=False)
    edges = np.arange(len(names) + 1) - 0.5
    lines = edges if len(names) <= _MOST_COUNTED else edges[[0, -1]]
    axes.set_xticks(lines, minor=True)
    axes.set_yticks(lines, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", color=LINE, linewidth=0.6)


def _opacity(shares: Any) -> Any:
    """The opacity of a cell by its share of the row, from 0 to 1; the smallest share is still visible."""
    return np.where(shares > 0, 0.15 + 0.85 * np.sqrt(shares), 0.0)


def _write_counts(axes: Axes, matrix: Counts, shares: npt.NDArray[np.float64]) -> None:
    """Writes the counts that are not zero into their cells."""
    for row, column in np.argwhere(matrix):
        colour = "#ffffff" if _opacity(shares[row, column]) > 0.85 else INK
        axes.text(
            column,
            row,
            f"{matrix[row, column]:,}",
            ha="center",
            va="center_baseline",
            size=_FONT_IN_CELLS,
            color=colour,
        )


def _titles(figure: Figure, across: float, down: float) -> None:
    """Names the sides of a confusion matrix; places are in points from its upper left corner."""
    width, height = 72 * figure.get_size_inches()
    style: dict[str, Any] = {"color": MUTED, "size": _FONT, "va": "center", "ha": "center"}
    figure.text(across / width, 1 - 9 / height, "prediction", **style)
    figure.text(9 / width, 1 - down / height, "truth", rotation=90, rotation_mode="anchor", **style)


def _plain(name: str) -> str:
    """A name that fits beside a figure and is valid in XML: not too long, only printable letters."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…"


def _axes(size: tuple[float, float], box: tuple[float, float, float, float]) -> tuple[Figure, Axes]:
    """A figure of this width and height and its only axes, without frame and ground.

    `box` is the left and lower edge of the axes, their width and height; all in points.
    """
    width, height = size
    left, bottom, across, up = box
    figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="none")
    axes = figure.add_axes((left / width, bottom / height, across / width, up / height), facecolor="none")
    axes.spines[:].set_visible(False)
    return figure, axes


def _svg(figure: Figure, label: str, *, enlarge: float, least: float = 0) -> str:
    """A figure as an element for a page, named for those who do not see it.

    It is as wide as there is room, from `least` points to `enlarge` times its own size.
    """
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = ElementTree.fromstring(out.getvalue())
    used = set(re.findall(r"#(\w+)[\")]", out.getvalue()))
    for element in root.iter():
        attributes = {_local(name): value for name, value in element.attrib.items()}
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        if "style" in attributes:
            attributes["style"] = _for_a_page(attributes["style"])
        element.tag, element.attrib = _local(element.tag), attributes
    for sheet in root.findall("defs/style/.."):
        root.remove(sheet)
    width = 72 * figure.get_size_inches()[0]
    size = f"width:100%;min-width:{least:.0f}px;max-width:{enlarge * width:.0f}px;height:auto"
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": label,
        "style": f"{size};stroke-linejoin:round",
    }
    return ElementTree.tostring(root, "unicode")


def _local(name: str) -> str:
    """A tag or an attribute without its namespace, as HTML writes it."""
    return name.rpartition("}")[2]


def _for_a_page(style: str) -> str:
    """A style in the page's font and colours."""
    for stand_in, variable in _VARIABLES.items():
        style = style.replace(stand_in, variable)
    return re.sub(r"font-family: [^;]*; ?", "", style)


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
