"""The filters of a layer: as a figure on one scale, as a table and as JSON."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hubel.instruments.unit import Unit
from hubel.report.instruments.canvas import signal
from hubel.report.instruments.patches import extent, placed
from hubel.report.instruments.plot import Plane, in_grey, mosaic, signed
from hubel.report.style import INK, LINE, MUTED, WRONG

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.filters import Filters
    from hubel.instruments.stimuli import Stimuli, Stimulus
    from hubel.net.volume import Volume

    Bytes = npt.NDArray[np.uint8]
    Counts = npt.NDArray[np.int64]

MOST_TILES = 256
"""How many filters are drawn as images of their own."""

MOST_ROWS, MOST_COLUMNS = 64, 64
"""How many filters and how many of their input maps a grid shows."""

MOST_NAMED = 8
"""How many dead filters and twins are listed; of the rest, the number is given."""

_SIDE, _GAP, _NUMBER = 56.0, 8.0, 12.0
_HEAD, _LEFT = 46.0, 30.0
_NARROW = 420.0
"""The width that lines below an image may always have."""


def tiles(found: Filters) -> Bytes | None:
    """Returns the filters as images, uint8, filters x h x w x 3, on one scale: zero is middle grey.

    Three maps are red, green and blue, one is grey. None if filters read any other number of maps.
    """
    depth = found.weights.shape[1]
    shades = signed(found.weights, found.scale)
    if depth == 3 and found.depth == 3:
        return shades.transpose(0, 2, 3, 1)
    return in_grey(shades[:, 0]) if depth == 1 else None


def grid(found: Filters, rows: Counts, columns: Counts) -> Bytes:
    """Returns the kernels of some filters on some input maps: uint8, filters · maps x h x w x 4, by rows.

    All are on the layer's one scale; a kernel on a map that the filter does not read is transparent.
    """
    height, width = found.weights.shape[2:]
    out = np.zeros((len(rows), found.depth, height, width, 4), np.uint8)
    for at, number in enumerate(rows):
        out[at, found.sees[number], :, :, :3] = in_grey(signed(found.weights[number], found.scale))
        out[at, found.sees[number], :, :, 3] = 255
    return out[:, columns].reshape(-1, height, width, 4)


def image(found: Filters, form: str) -> bytes:
    """Draws the filters of a layer as `svg`, `png` or `pdf`.

    Filters on colours or on one map are images. Of deeper filters each row is a filter and each column an
    input map, those with most energy first.
    """
    plane = Plane()
    images = tiles(found)
    note = _draw_grid(plane, found) if images is None else _draw_tiles(plane, found, images)
    filters, maps, height, width = found.weights.shape
    plane.text(0, 10, f"{found.path}: {filters:,} filters of {height}x{width}x{maps} on {found.source}", 12.0)
    plane.text(0, 25, note, 8.5, color=MUTED)
    _draw_foot(plane, found)
    return plane.draw(form)


def driven_image(found: Stimuli, volume: Volume, form: str) -> bytes:
    """Draws filters by what drives them as `svg`, `png` or `pdf`: a row per filter, most energy first.

    On the left is what drives the filter most, and its projection. Then follow the maps it reads with the
    largest weights: what drives each of them, and the filter's kernel on it, on the layer's one scale.
    """
    plane = Plane()
    own = [found.stimuli[unit].patch for unit in found.stimuli if unit.path == found.answer]
    read = [found.stimuli[unit].patch for unit in found.stimuli if unit.path != found.answer]
    sizes = extent(own, volume), extent(read, volume)
    kernels = found.filters
    for row, (number, inputs) in enumerate(found.inputs.items()):
        top = _HEAD + row * (_SIDE + _NUMBER + _GAP)
        dead = number in kernels.dead
        plane.text(0, top + _SIDE / 2, str(number), 9.0, weight="bold", color=WRONG if dead else INK)
        _draw_stimulus(plane, found.stimuli.get(Unit(found.answer, number)), (_LEFT, top), sizes[0], volume)
        for at, each in enumerate(inputs):
            left = _LEFT + 2 * _SIDE + 34 + at * (1.75 * _SIDE + 3 * _GAP)
            _draw_stimulus(
                plane, found.stimuli.get(each.unit), (left, top), sizes[1], volume, projected=False
            )
            kernel = in_grey(signed(each.weights, kernels.scale))
            side = 0.7 * _SIDE
            plane.image(left + _SIDE + 2, top, kernel, (side, side * kernel.shape[0] / kernel.shape[1]))
            plane.text(left, top + _SIDE + 9, f"{each.unit}  {100 * each.share:.0f} %", 6.5, color=MUTED)
    path = kernels.path
    plane.text(0, 10, f"{path}: what drives its filters, and the maps they read most", 12.0)
    note = (
        f"of {found.images:,} images, the patch that drives it most and its projection by {found.rule}; "
        "then the filter's strongest maps, its kernel on them, their share of its energy"
    )
    plane.text(0, 25, note, 8.5, color=MUTED)
    _draw_foot(plane, kernels)
    return plane.draw(form)


def as_text(found: Filters) -> str:
    """The filters' statistics as a table, with lists of the dead and the twins."""
    filters, maps, height, width = found.weights.shape
    lines = [
        f"{found.path}: {filters:,} filters of {height}x{width}x{maps} on {found.source}, "
        f"largest weight {found.scale:.4g}",
        "",
        f"{'filter':>6}  {'norm':>9}  {'mean':>10}  {'std':>9}  {'energy':>7}  {'near zero':>9}",
    ]
    rows = zip(found.norm, found.mean, found.std, found.energy, found.sparsity, strict=True)
    for number, (norm, mean, std, energy, sparsity) in enumerate(rows):
        lines.append(
            f"{number:>6}  {norm:>9.4g}  {mean:>10.3g}  {std:>9.4g}  {100 * energy:>5.1f} %  "
            f"{100 * sparsity:>7.1f} %{'  dead' if number in found.dead else ''}"
        )
    return "\n".join([*lines, "", *(_dead(found) or ["none is dead"]), *(_twins(found) or ["no duplicates"])])


def as_json(found: Filters, driven: Stimuli | None = None) -> str:
    """Everything about the filters except their weights, and what drives those that were examined."""
    rows = zip(found.norm, found.mean, found.std, found.energy, found.sparsity, strict=True)
    names = ("norm", "mean", "std", "energy", "sparsity")
    content = {
        "path": found.path,
        "layer": repr(found.layer),
        "source": found.source,
        "shape": list(found.weights.shape),
        "scale": found.scale,
        "filters": [
            {
                "filter": number,
                **dict(zip(names, map(float, row), strict=True)),
                "dead": found.dead.get(number),
                **({} if driven is None else _driven_json(driven, number)),
            }
            for number, row in enumerate(rows)
        ],
        "order": found.order.tolist(),
        "twins": [
            {"first": each.first, "second": each.second, "cosine": each.cosine} for each in found.twins
        ],
    }
    return json.dumps(content, ensure_ascii=False)


def _draw_stimulus(
    plane: Plane,
    stimulus: Stimulus | None,
    corner: tuple[float, float],
    size: tuple[int, int],
    volume: Volume,
    *,
    projected: bool = True,
) -> None:
    """Draws what drives a map, with its projection to the right."""
    zoom = _SIDE / max(size)
    shown = (zoom * size[1], zoom * size[0])
    if stimulus is None:
        plane.box(*corner, shown, edgecolor=WRONG)
        plane.text(
            corner[0] + shown[0] / 2, corner[1] + shown[1] / 2, "nothing", 7.0, ha="center", color=WRONG
        )
        return
    plane.image(*corner, placed(stimulus.patch.pixels, stimulus.patch, volume, size), shown)
    if projected:
        pixels = placed(signal(stimulus.projection), stimulus.patch, volume, size)
        plane.image(corner[0] + shown[0] + 2, corner[1], pixels, shown)


def _driven_json(found: Stimuli, number: int) -> dict[str, object]:
    """What drives one filter, and the maps it reads most; nothing if it was not examined."""
    if number not in found.inputs:
        return {}
    stimulus = found.stimuli.get(Unit(found.answer, number))
    patch = None if stimulus is None else stimulus.patch
    said = None if patch is None else {"file": patch.name, "unit": str(patch.unit), "score": patch.score}
    reads = [{"unit": str(each.unit), "share": each.share} for each in found.inputs[number]]
    return {"driven_by": said, "reads": reads}


def _draw_tiles(plane: Plane, found: Filters, images: Bytes) -> str:
    """Draws filters as images, each with its number; returns the note."""
    shown = np.sort(found.order[:MOST_TILES])
    height, width = images.shape[1:3]
    unit = _SIDE / max(height, width)
    size = (unit * width, unit * height)
    across = max(4, min(16, math.ceil(math.sqrt(2 * len(shown)))))
    for at, number in enumerate(shown):
        row, column = divmod(at, across)
        left, top = column * (size[0] + _GAP), _HEAD + row * (size[1] + _GAP + _NUMBER)
        plane.image(left, top, images[number], size)
        dead = int(number) in found.dead
        plane.box(left, top, size, edgecolor=WRONG if dead else LINE, linewidth=1.4 if dead else 0.5)
        label = f"{number} dead" if dead else str(number)
        colour = WRONG if dead else MUTED
        plane.text(left + size[0] / 2, top + size[1] + 9, label, 7.0, ha="center", color=colour)
    return "all on one scale, zero is grey" + _part(len(shown), len(images), "filters")


def _draw_grid(plane: Plane, found: Filters) -> str:
    """Draws a row per filter and a column per input map; returns the note."""
    rows, columns = found.order[:MOST_ROWS], found.maps[:MOST_COLUMNS]
    height, width = found.weights.shape[2:]
    cell = min(27.0, max(12.0, 640 / max(1, len(columns))))
    zoom = max(1, round(cell / max(height, width)))
    drawn = mosaic(grid(found, rows, columns), len(columns), zoom=zoom, gap=2)
    left, top = 26.0, _HEAD + 14
    for at, number in enumerate(columns):
        across = left + at * (zoom * width + 2) + zoom * width / 2
        plane.text(across, top - 4, str(number), 5.5, ha="center", color=MUTED)
    for at, number in enumerate(rows):
        down = top + at * (zoom * height + 2) + zoom * height / 2 + 2.5
        colour = WRONG if int(number) in found.dead else MUTED
        plane.text(left - 5, down, str(number), 6.5, ha="right", color=colour)
    plane.image(left, top, drawn, (drawn.shape[1], drawn.shape[0]))
    return (
        "a row per filter, a column per input map, most energy first; all on one scale, zero is grey"
        + _part(len(rows), len(found.weights), "filters")
        + _part(len(columns), found.depth, "maps")
    )


def _draw_foot(plane: Plane, found: Filters) -> None:
    """The scale, and which filters are dead or duplicates, in lines as wide as the figure above."""
    bottom, across = plane.height + 20, int(max(plane.width, _NARROW) / (0.58 * 8.5))
    _draw_scale(plane, found.scale, bottom)
    said = [(line, WRONG) for line in _dead(found)] + [(line, MUTED) for line in _twins(found)]
    lines = [(part, colour) for line, colour in said for part in textwrap.wrap(line, across)]
    for at, (line, colour) in enumerate(lines):
        plane.text(0, bottom + 32 + 13 * at, line, 8.5, color=colour)


def _draw_scale(plane: Plane, scale: float, top: float) -> None:
    """The strip of greys with its values."""
    strip = in_grey(np.arange(256, dtype=np.uint8)[None])
    plane.image(0, top, strip, (128, 8))
    plane.box(0, top, (128, 8), edgecolor=LINE, linewidth=0.5)
    for at, (label, align) in enumerate(
        ((f"{-scale:.3g}", "left"), ("0", "center"), (f"{scale:.3g}", "right"))
    ):
        plane.text(64 * at, top + 17, label, 7.0, ha=align, color=MUTED)


def _part(shown: int, number: int, what: str) -> str:
    return f"; {shown} of {number:,} {what}" if shown < number else ""


def _dead(found: Filters) -> list[str]:
    """A line for each reason why filters are dead."""
    reasons: dict[str, list[int]] = {}
    for number, why in sorted(found.dead.items()):
        reasons.setdefault(why, []).append(number)
    return [f"dead: {_list(numbers)}; {why}" for why, numbers in reasons.items()]


def _twins(found: Filters) -> list[str]:
    """A line with the duplicates, and one with the pairs that are each other's negative."""
    lines = []
    for what, pairs in (
        ("duplicates", [each for each in found.twins if each.cosine > 0]),
        ("each other's negative", [each for each in found.twins if each.cosine < 0]),
    ):
        if pairs:
            named = [f"{each.first} and {each.second} ({each.cosine:.3f})" for each in pairs]
            lines.append(f"{what}, by cosine: {_list(named)}")
    return lines


def _list(names: Sequence[object]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(str, names[:MOST_NAMED])) + more
