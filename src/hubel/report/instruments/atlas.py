"""The atlas as one self-contained page: each layer becomes a text, which can be kept, and these a page.

A layer has three sheets of tiles: patches, their projections, and filters. A tile is at most `TILE` pixels
per side. Sheets of small tiles are lossless, those of larger tiles nearly so.
"""

from __future__ import annotations

import io
import json
import math
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from hubel.instruments.atlas import LEVELS, LayerView, UnitView
from hubel.net.layers import Add, Concat
from hubel.report.drawing.layout import layout
from hubel.report.drawing.paint import PLUS, Box, Drawing, draw
from hubel.report.instruments.canvas import signal
from hubel.report.instruments.chart import finite
from hubel.report.instruments.patches import placed
from hubel.report.instruments.plot import signed
from hubel.report.instruments.tuning import oriented
from hubel.report.units import count

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.deconv import Rule
    from hubel.instruments.drive import Wiring
    from hubel.instruments.patches import Patch
    from hubel.instruments.tuning import Tuning
    from hubel.net.trace import Step
    from hubel.net.volume import Volume

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

TILE = 64
"""The most pixels per side of a tile."""

EXACT = 16
"""Sheets of tiles up to this many pixels per side are lossless."""

_QUALITY = 88

HEADS = {
    "low": ("Low-level features", "units that see up to a third of the image's side"),
    "mid": ("Mid-level features", "units that see up to two thirds of the image's side"),
    "high": ("High-level features", "units that see more, up to the whole image, and the scores"),
}

RULES = {
    "deconv": ("deconvnet", "the deconvnet with the switches of its pooling (Zeiler and Fergus 2014)"),
    "guided": ("guided backprop", "guided backpropagation (Springenberg et al. 2015)"),
    "gradient": ("gradient", "the gradient (Simonyan et al. 2014)"),
}


@dataclass(frozen=True, slots=True)
class About:
    """What the page is about: the names of the network and the data set, and what was looked at.

    `rule` is that of the projections, `top` the number of patches per unit, `weights` the
    digest of the weights.
    """

    network: str
    data: str
    images: int
    classes: tuple[str, ...]
    rule: Rule
    top: int
    weights: str


def layer_text(
    view: LayerView,
    units: Iterable[UnitView],
    volume: Volume,
    labels: npt.NDArray[np.int64],
    *,
    bars: int = 10,
) -> str:
    """Returns a layer and its units as JSON, including their images.

    `volume` is the network's input; `labels`: int64, the class of every image of the set. For each unit, the
    `bars` classes it responds to most are included, in the order of classes.
    """
    seen = list(units)
    found = [patch for unit in seen for patch in unit.patches]
    extent = _extent(view, volume)
    tiles = [_tile(patch.pixels, patch, volume, extent) for patch in found]
    signals = [
        _tile(signal(values), patch, volume, extent)
        for unit in seen
        for values, patch in zip(unit.signals, unit.patches, strict=True)
    ]
    kernels = _Kernels.of(seen)
    at, members = 0, []
    for number, unit in enumerate(seen):
        members.append(_unit(unit, at, kernels, labels, bars) | _tuned(view.tuning, number))
        at += len(unit.patches)
    content = {
        "path": view.path,
        "layer": repr(view.layer),
        "level": view.level,
        "maps": view.volume.depth,
        "plane": list(view.volume.plane),
        "field": list(view.field.size),
        "patches": _sheet(tiles),
        "projections": _sheet(signals),
        "filters": _sheet(kernels.tiles),
        "units": members,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def atlas_page(about: About, steps: Sequence[Step], layers: Sequence[str]) -> str:
    """Returns the page: the drawing of the network, and all layers under the heading of their level.

    `layers` are texts of `layer_text`, in order.
    """
    short = [_head(at, json.loads(text)) for at, text in enumerate(layers)]
    sections = [(*HEADS[level], [layer for layer in short if layer["level"] == level]) for level in LEVELS]
    settings = {"classes": about.classes, "rule": RULES[about.rule][0], "weights": about.weights}
    environment = Environment(
        loader=PackageLoader("hubel.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = count
    text = environment.get_template("atlas.html").render(
        about=about,
        rule=RULES[about.rule][1],
        image=Markup(_network(steps, {layer["path"]: layer["at"] for layer in short})),
        sections=sections,
        layers=[Markup(_inert(text)) for text in layers],
        settings=Markup(_inert(json.dumps(settings, ensure_ascii=False))),
        units=sum(layer["shown"] for layer in short),
    )
    return text.encode("utf-8", "backslashreplace").decode()  # a file's name need not be Unicode


def _head(at: int, layer: Mapping[str, Any]) -> dict[str, Any]:
    """What the page itself shows of a layer."""
    height, width = layer["plane"]
    shown, maps = len(layer["units"]), layer["maps"]
    few = f"{shown} of {count(maps)}" if shown < maps else count(maps)
    places = f" of {height}×{width}" if (height, width) != (1, 1) else ""
    seen = "×".join(map(str, layer["field"]))
    return {
        "at": at,
        "path": layer["path"],
        "level": layer["level"],
        "shown": shown,
        "note": f"{few} {'map' if maps == 1 else 'maps'}{places}; a unit sees {seen} pixels",
    }


def _extent(view: LayerView, volume: Volume) -> tuple[int, int]:
    """The height and width that hold every patch of a layer."""
    height, width = (min(size, side) for size, side in zip(view.field.size, volume.plane, strict=True))
    return height, width


def _tile(pixels: Bytes, patch: Patch, volume: Volume, extent: tuple[int, int]) -> Bytes:
    """A patch at its position in its unit's field: uint8, h x w x 4, transparent outside the image."""
    there = (placed(np.zeros_like(pixels), patch, volume, extent) == 0).all(-1, keepdims=True)
    whole = np.concatenate([placed(pixels, patch, volume, extent), np.where(there, 255, 0)], -1)
    image = Image.fromarray(whole.astype(np.uint8), "RGBA")
    if max(extent) > TILE:
        image.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _sheet(tiles: Sequence[Bytes]) -> dict[str, Any] | None:
    """Tiles, smaller ones in the corner of their cell, as one image; None if there are none."""
    if not tiles:
        return None
    height, width = max(len(tile) for tile in tiles), max(tile.shape[1] for tile in tiles)
    across = math.ceil(math.sqrt(len(tiles) * height / width))
    rows = -(-len(tiles) // across)
    whole = np.zeros((rows * height, across * width, 4), np.uint8)
    for at, tile in enumerate(tiles):
        top, left = (at // across) * height, (at % across) * width
        whole[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    out = io.BytesIO()
    exact = max(height, width) <= EXACT
    Image.fromarray(whole, "RGBA").save(
        out, "WEBP", lossless=exact, quality=100 if exact else _QUALITY, method=4
    )
    return {
        "tile": [width, height],
        "across": across,
        "rows": rows,
        "webp": b64encode(out.getvalue()).decode(),
    }


def _unit(
    view: UnitView, first: int, drawn: _Kernels, labels: npt.NDArray[np.int64], bars: int
) -> dict[str, Any]:
    """The data of a unit, whose first tile is `first`; draws its filters."""
    return {
        "unit": str(view.unit),
        "channel": view.unit.channel,
        "first": first,
        "patches": [_patch(patch, labels) for patch in view.patches],
        "filters": [drawn.draw(wiring) for wiring in view.drive.filters],
        "skips": [[unit.path, unit.channel] for unit in view.drive.skips],
        "selectivity": finite(view.selectivity, 3),
        "means": _means(view.means, bars),
    }


def _patch(patch: Patch, labels: npt.NDArray[np.int64]) -> list[object]:
    """The file, its class, the unit's row and column, the pixels it sees, and its value."""
    seen = patch.seen
    name = "/".join(PurePath(patch.name).parts[-2:])
    box = [seen.top, seen.left, seen.bottom, seen.right]
    return [name, int(labels[patch.image]), patch.unit.row, patch.unit.column, box, f"{patch.score:.4g}"]


def _means(means: npt.NDArray[np.float64], bars: int) -> list[list[float | int | None]]:
    """The classes with the largest means, and these means, in the order of classes."""
    known = np.where(np.isnan(means), -np.inf, means)
    best = np.sort(np.argsort(-known, kind="stable")[:bars])
    return [[int(label), finite(means[label], 4)] for label in best]


def _tuned(tuning: Tuning | None, at: int) -> dict[str, Any]:
    """The tuning of a unit, or None if it responds to no grating."""
    if tuning is None or not tuning.answers[at]:
        return {"tuning": None}
    curve = tuning.curves[at] / tuning.curves[at].max()
    return {
        "tuning": {
            "curve": [round(float(value), 3) for value in curve],
            "preferred": round(float(tuning.preferred[at])) % 180 if oriented(tuning)[at] else None,
            "selectivity": f"{tuning.selectivity[at]:.2f}",
            "frequency": f"{tuning.frequency[at]:.2f}",
            "simple": bool(tuning.simple[at]),
        }
    }


@dataclass(slots=True)
class _Kernels:
    """The filters of a layer as tiles; those that read the image are on one scale, `largest`."""

    largest: float
    tiles: list[Bytes] = field(default_factory=list)

    @classmethod
    def of(cls, units: Sequence[UnitView]) -> _Kernels:
        """No tiles yet, with the scale of all filters."""
        filters = [wiring.pixels for unit in units for wiring in unit.drive.filters]
        return cls(max((float(np.abs(each).max()) for each in filters if each is not None), default=0.0))

    def draw(self, wiring: Wiring) -> dict[str, Any]:
        """Draws a filter, whole if it reads the image, else map by map on its own scale; returns its data."""
        first = len(self.tiles)
        if wiring.pixels is not None:
            self.tiles.append(_opaque(signed(wiring.pixels, self.largest)))
        scale = max((float(np.abs(each.weights).max()) for each in wiring.inputs), default=0.0)
        self.tiles += [_opaque(signed(each.weights[None], scale)) for each in wiring.inputs]
        size = self.tiles[first].shape[1::-1] if len(self.tiles) > first else (1, 1)
        inputs = [[each.unit.path, each.unit.channel, round(100 * each.share, 1)] for each in wiring.inputs]
        return {"path": wiring.path, "reads": wiring.reads, "first": first, "size": size, "inputs": inputs}


def _opaque(shades: Bytes) -> Bytes:
    """A filter of depth x h x w as h x w x 4: three maps are colours, any other number is averaged."""
    whole = shades if len(shades) == 3 else shades.mean(0, keepdims=True).round().astype(np.uint8)
    colour = np.broadcast_to(whole.transpose(1, 2, 0), (*whole.shape[1:], 3))
    return np.concatenate([colour, np.full((*colour.shape[:2], 1), 255, np.uint8)], -1)


def _inert(text: str) -> str:
    """JSON that cannot end its `script` element."""
    return text.replace("<", "\\u003c")


def _network(steps: Sequence[Step], layers: Mapping[str, int]) -> str:
    """The drawing of the network as an element; volumes of layers in the atlas can be clicked."""
    drawing = layout(steps)
    svg = draw(drawing, "svg").decode()
    inner = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    inner = inner[inner.index(">") + 1 : inner.rindex("</svg>")].replace("xlink:href", "href")
    leads = _leads(steps, layers)
    hot = []
    for box in drawing.boxes:
        own = {layers[path] for path in box.paths if path in layers}
        there = sorted(own or {leads[path] for path in box.paths if path in leads})
        if there:
            hot.append(_hot(box, there, drawing, {at: path for path, at in layers.items()}))
    size = f"{drawing.width:.2f} {drawing.height:.2f}"
    return (
        f'<svg viewBox="0 0 {size}" role="group" aria-label="The network, from the image to the scores; '
        f'click a layer to see its units" style="max-width:{1.5 * drawing.width:.0f}px">'
        f'<g aria-hidden="true">{inner}</g>{"".join(hot)}</svg>'
    )


def _hot(box: Box, there: Sequence[int], drawing: Drawing, names: Mapping[int, str]) -> str:
    """The part of the drawing that can be clicked: the outline of a volume."""
    label = Markup.escape(", ".join(names[at] for at in there))
    if box.solids:
        shapes = "".join(_outline(solid.front, solid.across, drawing.height) for solid in box.solids)
    else:
        shapes = f'<circle cx="{box.x:.1f}" cy="{drawing.height - box.y:.1f}" r="{PLUS + 2:.1f}"/>'
    return (
        f'<g class="hot" role="button" tabindex="-1" data-layers="{" ".join(map(str, there))}" '
        f'aria-label="{label}"><title>{label}</title>{shapes}</g>'
    )


def _outline(front: tuple[float, float, float, float], across: tuple[float, float], height: float) -> str:
    """The outline of a solid, y downwards."""
    left, bottom, right, top = front
    dx, dy = across
    corners = (
        (left, bottom), (right, bottom), (right + dx, bottom + dy),
        (right + dx, top + dy), (left + dx, top + dy), (left, top),
    )  # fmt: skip
    return f'<polygon points="{" ".join(f"{x:.1f},{height - y:.1f}" for x, y in corners)}"/>'


def _leads(steps: Sequence[Step], layers: Mapping[str, int]) -> dict[str, int]:
    """The layer of the atlas for each path: its own, or the one where its maps are added or joined."""
    readers: dict[str, list[Step]] = {}
    for step in steps:
        for source in step.sources:
            readers.setdefault(source, []).append(step)
    found: dict[str, int] = {}
    for step in reversed(steps):
        after = readers.get(step.path, [])
        if step.path in layers:
            found[step.path] = layers[step.path]
        elif len(after) == 1 and after[0].path in found:
            keeps = isinstance(after[0].layer, (Add, Concat)) or after[0].layer.in_place(after[0].inputs[0])
            found |= {step.path: found[after[0].path]} if keeps else {}
    return found
