"""The maps of an image: layer by layer, or a whole forward pass from image to scores; JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hubel.counted import percent
from hubel.net.field import NOTHING
from hubel.report.instruments.plot import AS_SCORED, Plane, in_grey, signed, unsigned
from hubel.report.style import INK, LINE, MUTED, PAPER, RIGHT, WRONG
from hubel.report.units import plain

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.maps import LayerMaps, Maps

    Bytes = npt.NDArray[np.uint8]
    Counts = npt.NDArray[np.int64]

MOST_IN_COLUMN = 10
"""How many maps of a layer the forward pass shows."""

MOST_IN_PANEL = 64
"""How many maps of a layer a panel shows."""

MOST_SCORES = 10
"""How many classes are named."""

_TILE, _PITCH, _BETWEEN = 34.0, 43.0, 9.0
_COLUMN = MOST_IN_COLUMN * _PITCH - (_PITCH - _TILE)
_TOP, _IMAGE, _BAR = 62.0, 120.0, 90.0
_HEADS = {
    "maxpool": "POOL",
    "avgpool": "POOL",
    "adaptiveavgpool": "POOL",
    "globalavgpool": "POOL",
    "subsample": "POOL",
    "batchnorm": "NORM",
    "lrn": "NORM",
    "padshortcut": "PAD",
}
_KEEPING = {"relu", "tanh", "sigmoid", "gelu", "batchnorm", "lrn", "maxpool", "avgpool", "subsample"}
"""The layers that make each map from the map of the same number."""

_TONES = {"CONV": "#f3c969", "RELU": "#e08e2b", "POOL": "#c9563c", "FC": "#6f9bd1", "NORM": "#7fb38a"}
_OTHER_TONE = "#b8bcc2"


def shades(layer: LayerMaps) -> Bytes:
    """Returns the maps of a layer as greys: uint8, depth x height x width, all on the layer's one scale.

    If any value is negative, zero is middle grey and the largest magnitude black or white. Otherwise zero is
    black and the largest value white.
    """
    return (signed if layer.signed else unsigned)(layer.values, layer.scale)


def forward(found: Maps, pixels: Bytes, classes: Sequence[str], form: str, *, layers: int) -> bytes:
    """Draws a forward pass as `svg`, `png` or `pdf`: the image, a column of maps per layer, the scores.

    `pixels`: uint8, h x w x 1 or 3, the image as the network sees it; `layers` is the number of layers of the
    network, of which only some may be shown.
    """
    plane = Plane()
    plane.text(0, 10, "From image to scores", 12.0)
    shown = f"{len(found.layers)} of {layers} layers; " if len(found.layers) < layers else ""
    note = (
        f"{shown}up to {MOST_IN_COLUMN} maps per layer, those with most energy, each layer on its own scale"
    )
    plane.text(0, 25, note, 8.5, color=MUTED)
    _image(plane, 0, _TOP + (_COLUMN - _IMAGE) / 2, pixels)
    left = _IMAGE + 2 * _BETWEEN
    for layer, channels in zip(found.layers, _channels(found.layers), strict=True):
        _column(plane, left, layer, channels, _sees(layer, pixels))
        left += _TILE + _BETWEEN
    if len(found.scores):
        _scores(plane, left + _BETWEEN, found, classes)
    return plane.draw(form)


def panels(found: Maps, pixels: Bytes, form: str) -> bytes:
    """Draws the maps of each layer as `svg`, `png` or `pdf`.

    Beside them is the image with what the strongest cell sees. `pixels` is as for `forward`.
    """
    plane = Plane()
    top = 10.0
    for layer in found.layers:
        top = _panel(plane, top, layer, pixels) + 34
    return plane.draw(form)


def as_json(found: Maps, classes: Sequence[str], *, values: bool) -> str:
    """The scales and receptive fields of maps, and the scores; with `values`, all values as well."""
    content = {
        "layers": [_layer_json(layer, values=values) for layer in found.layers],
        "scores": [
            {"class": name, "score": float(score), "probability": float(probability)}
            for name, score, probability in zip(
                _names(found, classes), found.scores, found.probabilities, strict=True
            )
        ],
    }
    return json.dumps(content, ensure_ascii=False)


def strongest(layer: LayerMaps) -> tuple[int, int, int]:
    """Returns the map, row and column of the cell of the largest magnitude."""
    return layer.peak.channel or 0, layer.peak.row or 0, layer.peak.column or 0


def _names(found: Maps, classes: Sequence[str]) -> Sequence[str]:
    return classes if len(classes) == len(found.scores) else [str(at) for at in range(len(found.scores))]


def _head(layer: LayerMaps) -> str:
    return _HEADS.get(layer.layer.kind, layer.layer.kind.upper())


def _range(layer: LayerMaps) -> str:
    return f"±{layer.scale:.3g}" if layer.signed else f"0 to {layer.scale:.3g}"


def _channels(layers: Sequence[LayerMaps]) -> list[Counts]:
    """The maps each column shows: the same along layers that keep their maps."""
    chosen: list[Counts] = []
    for at in reversed(range(len(layers))):
        after = layers[at + 1] if at + 1 < len(layers) else None
        keeps = after is not None and after.layer.kind in _KEEPING
        if keeps and after is not None and after.volume.depth == layers[at].volume.depth:
            chosen.append(chosen[-1])
        else:
            chosen.append(layers[at].strongest(MOST_IN_COLUMN))
    return chosen[::-1]


def _image(plane: Plane, left: float, top: float, pixels: Bytes, side: float = _IMAGE) -> float:
    """Draws the image, with its longer side `side` points; returns the size of a pixel in points."""
    height, width = pixels.shape[:2]
    unit = float(side / max(height, width))
    shown = np.broadcast_to(pixels, (height, width, 3))
    plane.image(left, top, shown, (unit * width, unit * height))
    plane.box(left, top, (unit * width, unit * height), edgecolor=LINE, linewidth=0.5)
    return unit


def _sees(layer: LayerMaps, pixels: Bytes) -> str:
    """How much of the image a unit sees, in words."""
    high, wide = (min(*sides) for sides in zip(layer.field.size, pixels.shape[:2], strict=True))
    return "sees all" if (high, wide) == pixels.shape[:2] else f"sees {high}x{wide}"


def _column(plane: Plane, left: float, layer: LayerMaps, channels: Counts, sees: str) -> None:
    """A layer of the forward pass: its kind, its maps and their scale."""
    head = _head(layer)
    middle = left + _TILE / 2
    size = 8.0 if len(head) <= 5 else 40.0 / len(head)
    plane.text(middle, _TOP - 14, head, size, ha="center", weight="bold")
    tone = _TONES.get(head, _OTHER_TONE)
    plane.box(left, _TOP - 9, (_TILE, 3), facecolor=tone, edgecolor="none", linewidth=0.0)
    bottom = _TOP + _COLUMN
    if layer.volume.plane == (1, 1):
        _vector(plane, left, _TOP, layer, (_TILE, _COLUMN))
    else:
        drawn = shades(layer)
        wide, high = _fitted(layer)
        for at, channel in enumerate(channels):
            top = _TOP + at * _PITCH
            plane.image(
                left + (_TILE - wide) / 2, top + (_TILE - high) / 2, in_grey(drawn[channel]), (wide, high)
            )
            plane.text(middle, top + _TILE + 6, str(channel), 4.5, ha="center", color=MUTED)
    lines = (str(layer.volume), sees, _range(layer))
    for at, line in enumerate(lines):
        plane.text(middle, bottom + 16 + 8 * at, line, min(6.0, 62.0 / len(line)), ha="center", color=MUTED)
    path = layer.path if len(layer.path) <= 34 else f"…{layer.path[-33:]}"
    plane.text(middle + 2.2, bottom + 40, path, 6.5, ha="center", va="top", rotation=90, color=INK)
    plane.height = max(plane.height, bottom + 40 + 4.0 * len(path))


def _fitted(layer: LayerMaps) -> tuple[float, float]:
    """Width and height of a map in its tile."""
    longest = max(layer.volume.plane)
    return _TILE * layer.volume.width / longest, _TILE * layer.volume.height / longest


def _vector(plane: Plane, left: float, top: float, layer: LayerMaps, room: tuple[float, float]) -> None:
    """All values of a layer with a single position, as cells in columns that fill the room."""
    depth = layer.volume.depth
    across = max(1, round(room[0] / math.sqrt(room[0] * room[1] / depth)))
    down = -(-depth // across)
    cells = np.zeros((across * down, 4), np.uint8)
    cells[:depth, :3] = in_grey(shades(layer)[:, 0, 0])
    cells[:depth, 3] = 255
    cell = min(room[0] / across, room[1] / down)
    image = cells.reshape(across, down, 4).transpose(1, 0, 2)
    plane.image(left, top, image, (cell * across, cell * down))
    if depth <= MOST_IN_COLUMN:
        plane.box(left, top, (cell * across, cell * down), edgecolor=LINE, linewidth=0.5)


def _scores(plane: Plane, left: float, found: Maps, classes: Sequence[str]) -> None:
    """The classes by their probability, each with its bar."""
    order = np.argsort(-found.probabilities, kind="stable")[:MOST_SCORES]
    names = _names(found, classes)
    plane.text(left, _TOP - 14, "SCORES", 8.0, weight="bold")
    plane.text(left + 40, _TOP - 14, AS_SCORED, 5.0, color=MUTED)
    plane.box(left, _TOP - 9, (_BAR, 3), facecolor=RIGHT, edgecolor="none", linewidth=0.0)
    for at, number in enumerate(order):
        top = _TOP + at * _PITCH
        probability = float(found.probabilities[number])
        name = names[number] if len(names[number]) <= 24 else f"{names[number][:23]}…"
        plane.text(left, top + 11, name, 10.0, weight="bold" if at == 0 else "normal")
        plane.box(left, top + 16, (_BAR, 8), facecolor="#f0eee9", edgecolor="none", linewidth=0.0)
        if probability > 0:
            width = max(0.5, _BAR * min(1.0, probability))
            plane.box(left, top + 16, (width, 8), facecolor=RIGHT, edgecolor="none", linewidth=0.0)
        said = f"{percent(probability)}, score {found.scores[number]:.3g}"
        plane.text(left, top + 33, said, 6.5, color=MUTED)


def _panel(plane: Plane, top: float, layer: LayerMaps, pixels: Bytes) -> float:
    """Draws one layer's maps from `top` on, with the image at the left; returns where they end."""
    channel, row, column = strongest(layer)
    volume = layer.volume
    channels = layer.strongest(MOST_IN_PANEL)
    part = (
        f", the {len(channels)} of {volume.depth} with the most energy"
        if len(channels) < volume.depth
        else ""
    )
    plane.text(0, top, layer.path, 11.0, weight="bold")
    ground = "zero is grey" if layer.signed else "zero is black"
    note = f"{volume}{part}; {_range(layer)} on one scale, {ground}"
    plane.text(0, top + 14, f"{layer.layer!r}"[:110], 7.5, color=MUTED)
    plane.text(0, top + 25, note, 7.5, color=MUTED)
    top += 34
    unit = _image(plane, 0, top, pixels)
    box = layer.peak_sees
    if box != NOTHING:
        high, wide = box.size
        for colour, width in ((PAPER, 3.0), (WRONG, 1.4)):  # visible on any background
            corner = unit * box.left, top + unit * box.top
            plane.box(*corner, (unit * wide, unit * high), edgecolor=colour, linewidth=width)
        said = f"[{channel},{row},{column}] = {layer.values[channel, row, column]:.3g} sees {high}x{wide}"
    else:
        said = f"[{channel},{row},{column}] sees padding alone"
    end = top + unit * int(pixels.shape[0]) + 10
    plane.text(0, end, said, 7.0, color=WRONG)
    left = _IMAGE + 2 * _BETWEEN
    if volume.plane == (1, 1):
        rows = max(1, -(-volume.depth // 64))
        _vector(plane, left, top, layer, (min(640.0, 14.0 * volume.depth), 14.0 * rows))
        return max(end, top + 14.0 * rows)
    return max(end, _tiles(plane, (left, top), layer, channels))


def _tiles(plane: Plane, corner: tuple[float, float], layer: LayerMaps, channels: Counts) -> float:
    """Draws maps in rows, with the strongest cell marked; returns where they end."""
    drawn = shades(layer)
    channel, row, column = strongest(layer)
    height, width = layer.volume.plane
    side = 76.0 if len(channels) <= 16 else 56.0
    unit = side / max(height, width)
    size = unit * width, unit * height
    across = 8 if side > 60 else 11
    bottom = corner[1]
    for at, number in enumerate(channels):
        left = corner[0] + (at % across) * (size[0] + 5)
        top = corner[1] + (at // across) * (size[1] + 13)
        plane.image(left, top, in_grey(drawn[number]), size)
        bottom = top + size[1] + 8
        plane.text(left + size[0] / 2, bottom - 1, str(number), 6.0, ha="center", color=MUTED)
        if number == channel:
            cell = max(unit, 2.5)
            plane.box(left + unit * column, top + unit * row, (cell, cell), edgecolor=WRONG, linewidth=1.2)
    return bottom


def _layer_json(layer: LayerMaps, *, values: bool) -> Mapping[str, object]:
    channel, row, column = strongest(layer)
    content: dict[str, object] = {
        "path": layer.path,
        "layer": repr(layer.layer),
        "volume": str(layer.volume),
        "scale": layer.scale,
        "signed": layer.signed,
        "field": {
            "size": layer.field.size,
            "jump": [plain(side) for side in layer.field.jump],
            "start": layer.field.start,
        },
        "rows": layer.rows.tolist(),
        "columns": layer.columns.tolist(),
        "strongest": {
            "unit": f"{layer.path}[{channel},{row},{column}]",
            "value": float(layer.values[channel, row, column]),
            "sees": [
                layer.peak_sees.top,
                layer.peak_sees.left,
                layer.peak_sees.bottom,
                layer.peak_sees.right,
            ],
        },
    }
    return content | ({"values": layer.values.tolist()} if values else {})
