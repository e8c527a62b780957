"""Attribution maps over their image, with the scale of their colours; text and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import matplotlib as mpl
import numpy as np

from hubel.report.instruments.canvas import as_colour
from hubel.report.instruments.plot import AS_SCORED, Plane
from hubel.report.style import INK, LINE, MUTED

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.attribution import Attribution, Occlusion, Randomised

    Bytes = npt.NDArray[np.uint8]
    Floats: TypeAlias = npt.NDArray[np.floating[Any]]

_SIDE, _GAP, _HEAD, _STRIP = 200.0, 18.0, 40.0, 9.0
_FOR, _AGAINST = (178, 24, 43), (33, 102, 172)
_SHARE = 99.5
"""The percentile of magnitudes that is drawn at full strength, so that no single pixel dims the rest."""

_MEANS = {
    "gradient": "largest magnitude over the channels, score per input value",
    "integrated": "sum over the channels, score",
    "gradcam": "maps weighted by their mean gradient",
    "occlusion": "fall of the score under the square",
}


def scale_of(values: Floats) -> float:
    """The magnitude that is drawn at full strength; 0 if all values are 0."""
    magnitudes = np.abs(values)
    return float(np.percentile(magnitudes, _SHARE)) or float(magnitudes.max(initial=0))


def shades(values: Floats, scale: float, *, signed: bool) -> tuple[Bytes, Floats]:
    """Returns the colours of a map, uint8, h x w x 3, and their opacity on an image, h x w of 0 to 1.

    If `signed`, red is for the class and blue against it, more opaque with the magnitude. Otherwise colours
    go from dark to bright with one opacity.
    """
    parts = np.clip(values / scale, -1, 1) if scale > 0 else np.zeros_like(values)
    if signed:
        colours = np.where(parts[..., None] >= 0, np.array(_FOR), np.array(_AGAINST))
        return colours.astype(np.uint8), np.abs(parts)
    colours = 255 * mpl.colormaps["inferno"](np.maximum(parts, 0))[..., :3]
    return np.rint(colours).astype(np.uint8), np.full(parts.shape, 0.65)


def overlay(pixels: Bytes, values: Floats, scale: float, *, signed: bool) -> Bytes:
    """A map, h x w, over its image, uint8, h x w x 1 or 3, in grey: uint8, h x w x 3."""
    grey = pixels.mean(-1, keepdims=True)
    ground = 255 - 0.55 * (255 - grey) if signed else grey
    colours, opacity = shades(values, scale, signed=signed)
    mixed = ground + (colours - ground) * opacity[..., None]
    return np.asarray(np.rint(mixed), np.uint8)


def image(pixels: Bytes, found: Attribution, classes: Sequence[str], form: str) -> bytes:
    """Draws an attribution as `svg`, `png` or `pdf`: the image, and the map over it with its scale."""
    plane = Plane()
    name = {"integrated": "integrated gradients", "gradcam": "Grad-CAM"}.get(found.method, found.method)
    where = f" at {found.layer}" if found.layer else ""
    plane.text(0, 11, f"{name}{where} for {classes[found.label]}, score {found.score:.4g}", 12.0)
    plane.text(0, 26, _MEANS[found.method], 8.5, color=MUTED)
    size = _size(pixels)
    plane.image(0, _HEAD, as_colour(pixels), size)
    _draw_map(plane, size[0] + _GAP, pixels, found.map, signed=found.signed)
    return plane.draw(form)


def occlusion_image(pixels: Bytes, found: Occlusion, label: int, classes: Sequence[str], form: str) -> bytes:
    """Draws the effect of a sliding square as `svg`, `png` or `pdf`, as Zeiler and Fergus do.

    It shows the image with the square in its corner, the fall of the score and, for each position of the
    square, the probability of the class and the most probable class.
    """
    plane, size = Plane(), _size(pixels)
    side, step = found.size[0], _step(found)
    before = float(_softmax(found.whole)[label])
    plane.text(0, 11, f"occlusion of {classes[label]}, {100 * before:.1f} % without the square", 12.0)
    said = f"a square of {side} pixels, moved by {step}: {len(found.rows)}x{len(found.columns)} positions"
    plane.text(0, 26, f"{said}; probabilities {AS_SCORED}", 8.5, color=MUTED)
    plane.image(0, _HEAD, as_colour(pixels), size)
    pixel = size[0] / pixels.shape[1]
    plane.box(0, _HEAD, (side * pixel, side * pixel), facecolor="#7f7f7f", edgecolor=LINE)
    left = size[0] + _GAP
    drop = found.drop(label, (pixels.shape[0], pixels.shape[1]))
    _draw_map(plane, left, pixels, drop, signed=True)
    _caption(plane, left, size, "fall of the score, mean over the squares on a pixel")
    left += size[0] + _GAP
    chance = found.probabilities[..., label]
    colours = np.rint(255 * mpl.colormaps["viridis"](chance)[..., :3]).astype(np.uint8)
    plane.image(left, _HEAD, colours, size)
    strip = np.rint(255 * mpl.colormaps["viridis"](np.linspace(0, 1, 128))[None, :, :3]).astype(np.uint8)
    _draw_strip(plane, left, size, strip, (("0 %", "left"), ("100 %", "right")))
    _caption(plane, left, size, f"probability of {classes[label]}")
    left += size[0] + _GAP
    _draw_best(plane, left, size, found.best, classes)
    return plane.draw(form)


def checks_text(found: Sequence[Randomised]) -> str:
    """The similarity of the maps when the layers are randomised from the top down, as a table."""
    width = max([len(each.path) for each in found] + [len("random down to")])
    lines = [f"{'random down to':<{width}}  rank correlation"]
    for each in found:
        said = "constant map" if np.isnan(each.correlation) else f"{each.correlation:>+16.3f}"
        lines.append(f"{each.path:<{width}}  {said}")
    return "\n".join([*lines, "1 is the same map; a map that stays near 1 does not depend on the weights"])


def as_json(
    found: Attribution,
    classes: Sequence[str],
    squares: Occlusion | None = None,
    checks: Sequence[Randomised] = (),
) -> str:
    """An attribution with its map, the probabilities of squares, and the correlations of checks."""
    content: dict[str, Any] = {
        "method": found.method,
        "class": classes[found.label],
        "score": found.score,
        "map": _rounded(found.map),
    }
    if found.layer:
        content |= {"layer": found.layer, "cells": _rounded(found.cells)}
    if found.method == "integrated":
        content |= {"sum": float(found.map.sum(dtype=np.float64)), "rest": found.rest}
    if squares is not None:
        content |= {
            "rows": squares.rows.tolist(),
            "columns": squares.columns.tolist(),
            "square": list(squares.size),
            "probabilities": _rounded(squares.probabilities[..., found.label]),
            "best": [[classes[label] for label in row] for row in squares.best.tolist()],
        }
    if checks:
        content["checks"] = [
            {
                "random_down_to": each.path,
                "correlation": None if np.isnan(each.correlation) else each.correlation,
            }
            for each in checks
        ]
    return json.dumps(content, ensure_ascii=False)


def _draw_map(plane: Plane, left: float, pixels: Bytes, values: Floats, *, signed: bool) -> None:
    """The map over the image, and the scale of its colours."""
    size, scale = _size(pixels), scale_of(values)
    plane.image(left, _HEAD, overlay(pixels, values, scale, signed=signed), size)
    ramp = np.linspace(-scale if signed else 0, scale, 128)[None]
    colours, opacity = shades(ramp, scale, signed=signed)
    strip = 255 + (colours - 255.0) * (opacity[..., None] if signed else 1)
    labels = ((f"{-scale:.3g}" if signed else "0", "left"), (f"{scale:.3g}", "right"))
    middle = (("0", "center"),) if signed else ()
    _draw_strip(plane, left, size, np.rint(strip).astype(np.uint8), (*labels, *middle))


def _draw_strip(
    plane: Plane, left: float, size: tuple[float, float], strip: Bytes, labels: Sequence[tuple[str, str]]
) -> None:
    top = _HEAD + size[1] + 8
    plane.image(left, top, strip, (size[0], _STRIP))
    plane.box(left, top, (size[0], _STRIP), edgecolor=LINE, linewidth=0.5)
    for text, align in labels:
        across = {"left": 0.0, "center": 0.5, "right": 1.0}[align]
        plane.text(left + across * size[0], top + 20, text, 8.0, ha=align, color=MUTED)


def _draw_best(
    plane: Plane, left: float, size: tuple[float, float], best: npt.NDArray[np.int64], classes: Sequence[str]
) -> None:
    """The most probable class for each position of the square, with a legend, the most frequent first."""
    labels, counts = np.unique(best, return_counts=True)
    order = labels[np.argsort(-counts, kind="stable")]
    palette = mpl.colormaps["tab20" if len(order) > 10 else "tab10"]
    colours = np.array([palette(at % palette.N)[:3] for at in range(len(order))])
    places = np.argsort(order)[np.searchsorted(np.sort(order), best)]
    plane.image(left, _HEAD, np.rint(255 * colours[places]).astype(np.uint8), size)
    for at, label in enumerate(order[:20]):
        down = _HEAD + 14 * at
        plane.box(left + size[0] + 10, down, (9, 9), facecolor=tuple(colours[at]), edgecolor="none")
        plane.text(left + size[0] + 24, down + 8, classes[int(label)], 9.0, color=INK)
    _caption(plane, left, size, "most probable class")


def _caption(plane: Plane, left: float, size: tuple[float, float], text: str) -> None:
    plane.text(left + size[0] / 2, _HEAD + size[1] + 44, text, 8.5, ha="center", color=INK)


def _size(pixels: Bytes) -> tuple[float, float]:
    """Width and height on the plane."""
    height, width = pixels.shape[:2]
    return _SIDE * width / max(height, width), _SIDE * height / max(height, width)


def _step(found: Occlusion) -> int:
    starts = found.columns if len(found.columns) > 1 else found.rows
    return int(starts[1] - starts[0]) if len(starts) > 1 else 0


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


def _rounded(values: Floats) -> Any:
    return [[float(f"{value:.5g}") for value in row] for row in values]
