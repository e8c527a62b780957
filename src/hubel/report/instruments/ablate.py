"""The recall that each class loses without each unit: as a figure, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hubel.counted import counted, interval, percent, within
from hubel.report.instruments.chart import SIGNED, chart, finite
from hubel.report.style import INK, LINE, MUTED
from hubel.report.units import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hubel.instruments.ablate import Ablation, Dependence

_CELL, _WIDE, _BAR, _HEAD, _MARGIN = 15.0, 38.0, 150.0, 56.0, 18.0
_MOST_CLASSES_WRITTEN = 25


def ablation_figure(found: Ablation, classes: Sequence[str], *, most: int = 64) -> bytes:
    """Draws the recall each class loses without each unit as a PNG: units down, classes across.

    Orange is lost, blue is gained; beside it is the accuracy lost over all classes. Of more than `most`
    units, those that cost any class most are drawn, in the order of the units.
    """
    drops = np.nan_to_num(found.drops)
    order = np.sort(np.argsort(-drops.max(1), kind="stable")[:most])
    wide = _WIDE if len(classes) <= _MOST_CLASSES_WRITTEN else max(6.0, 700 / len(classes))
    names = 6.2 * max(len(str(found.units[at])) for at in order) + 12
    heads = 5.2 * max(map(len, classes)) + 10
    grid = (wide * len(classes), _CELL * len(order))
    width = max(_MARGIN + names + grid[0] + 24 + _BAR + _MARGIN, 620)
    with chart(width, _HEAD + heads + grid[1] + 30 + _MARGIN) as made:
        shown = f"; {len(order)} of {len(found.units)} units" if len(order) < len(found.units) else ""
        made.title(
            _MARGIN,
            _MARGIN + 6,
            "Recall lost without each unit",
            f"silenced to {_level(found)}, percentage points; {count(int(found.images.sum()))} images, "
            f"{percent(found.accuracy)} correct with all units{shown}",
        )
        axes = made.axes(_MARGIN + names, _HEAD + heads, *grid)
        limit = max(0.05, float(np.abs(drops[order]).max()))
        axes.imshow(drops[order], cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto", interpolation="none")
        axes.set_yticks(range(len(order)), [str(found.units[at]) for at in order], size=8, color=INK)
        axes.set_xticks(range(len(classes)), classes, size=8, color=INK, rotation=90, va="bottom")
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
        if len(classes) <= _MOST_CLASSES_WRITTEN:
            _write(axes, drops[order], limit)
        lost = 100 * (found.accuracy - found.accuracies[order])
        bars = made.axes(_MARGIN + names + grid[0] + 24, _HEAD + heads, _BAR, grid[1])
        bars.barh(range(len(order)), lost, color=MUTED, height=0.7)
        bars.axvline(0, color=INK, linewidth=0.6)
        bars.set_ylim(axes.get_ylim())
        bars.set_yticks([])
        bars.grid(axis="x", color=LINE, linewidth=0.6)
        bars.set_axisbelow(True)
        bars.set_xlabel("accuracy lost, points", size=8, color=INK)
        return made.png()


def as_text(found: Ablation, classes: Sequence[str], most: int = 10) -> str:
    """The accuracy with all units, and the largest losses of recall, each with its counts and interval.

    A recall that lies within the interval of the one with all units may have been lost by chance.
    """
    images = int(found.images.sum())
    lines = [
        f"{count(images)} images, correct with all units: {counted(int(found.correct.sum()), images)}; "
        f"{len(found.units)} units silenced to {_level(found)}, one at a time",
        "the classes that lose most:",
    ]
    for each in found.top(most):
        recall = found.recall[each.label]
        lines.append(
            f"  {each.unit!s:<16} {classes[each.label]}: {percent(recall)} to {percent(recall - each.drop)}"
            f" (all classes {percent(found.accuracies[each.place])}); {_counts(found, each)}"
        )
    return "\n".join(lines)


def _counts(found: Ablation, each: Dependence) -> str:
    """How many images a class loses, the interval of what is left, and whether that may be chance."""
    images, before = int(found.images[each.label]), int(found.correct[each.label])
    after = int(found.without[each.place, each.label])
    low, high = interval(before, images)
    chance = ", which may be chance" if low <= after / images <= high else ""
    return f"{count(before)} to {within(after, images)}{chance}"


def as_json(found: Ablation, classes: Sequence[str]) -> str:
    """Accuracies, recalls and their losses; null for a class without images."""
    return json.dumps(
        {
            "images": int(found.images.sum()),
            "level": found.level,
            "accuracy": found.accuracy,
            "class_images": dict(zip(classes, found.images.tolist(), strict=True)),
            "class_correct": dict(zip(classes, found.correct.tolist(), strict=True)),
            "recall": {name: finite(value) for name, value in zip(classes, found.recall, strict=True)},
            "units": [
                {
                    "unit": str(unit),
                    "accuracy": finite(accuracy),
                    "drop": {name: finite(value) for name, value in zip(classes, drops, strict=True)},
                }
                for unit, accuracy, drops in zip(found.units, found.accuracies, found.drops, strict=True)
            ],
            "most_dependent": [
                {"unit": str(each.unit), "class": classes[each.label], "drop": finite(each.drop)}
                for each in found.top(20)
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _level(found: Ablation) -> str:
    return "their means over the images" if found.level == "mean" else "zero"


def _write(axes: Axes, drops: np.ndarray[tuple[int, ...], np.dtype[np.float64]], limit: float) -> None:
    """Writes percentage points into the cells that have any."""
    for row, column in np.argwhere(np.abs(drops) >= 0.005):
        value = drops[row, column]
        colour = "#ffffff" if abs(value) > 0.6 * limit else INK
        axes.text(column, row, f"{100 * value:.0f}", size=7, ha="center", va="center_baseline", color=colour)
