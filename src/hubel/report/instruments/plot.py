"""A plane in points, y downwards, for images, texts and lines; written as SVG, PNG or PDF.

Always the same bytes for the same plane. Images are uint8, h x w x 3 or 4, and are never blurred.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hubel.report.style import INK, PAPER, settings, written

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Values = npt.NDArray[Any]

_DPI = 144

AS_SCORED = "at temperature 1, in one view"
"""How instruments give probabilities; predictions have the temperature and the views of the model."""


@dataclass(slots=True)
class Plane:
    """What is drawn so far; `width` and `height` grow with it."""

    width: float = 0.0
    height: float = 0.0
    images: list[tuple[float, float, float, float, Bytes]] = field(default_factory=list)
    texts: list[tuple[float, float, str, dict[str, Any]]] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float, dict[str, Any]]] = field(default_factory=list)

    def image(self, left: float, top: float, pixels: Bytes, size: tuple[float, float]) -> None:
        """Adds an image; `size` is its width and height."""
        self.images.append((left, top, *size, pixels))
        self._reach(left + size[0], top + size[1])

    def text(self, left: float, top: float, text: str, size: float = 9.0, **style: Any) -> None:
        """Adds a line of text with its baseline at `top`; `ha` says which part of it is at `left`."""
        self.texts.append((left, top, text, {"size": size, "color": INK} | style))
        wide = 0.7 if style.get("weight") == "bold" else 0.58
        across = wide * size * len(text) if style.get("ha", "left") == "left" else 0.0
        self._reach(left + across, top + 0.3 * size)

    def box(self, left: float, top: float, size: tuple[float, float], **style: Any) -> None:
        """Adds a rectangle, by default a plain outline."""
        given = {"facecolor": "none", "edgecolor": INK, "linewidth": 0.8} | style
        self.boxes.append((left, top, *size, given))
        self._reach(left + size[0], top + size[1])

    def draw(self, form: str, *, margin: float = 14.0) -> bytes:
        """Returns the plane as `svg`, `png` or `pdf`, on white."""
        wide, high = np.ceil(self.width + 2 * margin), np.ceil(self.height + 2 * margin)
        with settings():
            figure = Figure(figsize=(wide / 72, high / 72), dpi=72, facecolor=PAPER)
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set_axis_off()
            axes.set_xlim(-margin, wide - margin)
            axes.set_ylim(high - margin, -margin)
            for left, top, across, down, pixels in self.images:
                extent = (left, left + across, top + down, top)
                axes.imshow(pixels, extent=extent, interpolation="none", aspect="auto")
            axes.set_xlim(-margin, wide - margin)
            axes.set_ylim(high - margin, -margin)
            for left, top, across, down, style in self.boxes:
                axes.add_patch(Rectangle((left, top), across, down, **style))
            for left, top, text, style in self.texts:
                axes.text(left, top, text, parse_math=False, **({"va": "baseline"} | style))
            return written(figure, form, _DPI)

    def _reach(self, right: float, bottom: float) -> None:
        self.width, self.height = max(self.width, right), max(self.height, bottom)


def signed(values: Values, scale: float) -> Bytes:
    """Draws numbers of both signs: any shape, to uint8; zero is 128, `scale` white, minus `scale` black."""
    if not scale > 0:
        return np.full(values.shape, 128, np.uint8)
    return np.rint(127.5 + 127.5 * np.clip(values / scale, -1, 1)).astype(np.uint8)


def unsigned(values: Values, scale: float) -> Bytes:
    """Draws numbers of at least zero: any shape, to uint8; zero is black, `scale` white."""
    if not scale > 0:
        return np.zeros(values.shape, np.uint8)
    return np.rint(255 * np.clip(values / scale, 0, 1)).astype(np.uint8)


def in_grey(values: Bytes) -> Bytes:
    """Returns an image of one channel, ... x h x w, with three: ... x h x w x 3."""
    return np.repeat(values[..., None], 3, axis=-1)


def mosaic(tiles: Bytes, across: int, *, zoom: int = 1, gap: int = 1) -> Bytes:
    """Puts tiles, n x h x w x 3 or 4, in rows of `across`, enlarged `zoom` times: h' x w' x 4.

    The gaps between them, `gap` wide, are transparent.
    """
    tiles = tiles.repeat(zoom, 1).repeat(zoom, 2)
    count, height, width, channels = tiles.shape
    across = min(across, count)
    rows = -(-count // across)
    out = np.zeros((rows * (height + gap) - gap, across * (width + gap) - gap, 4), np.uint8)
    for at, tile in enumerate(tiles):
        top, left = (at // across) * (height + gap), (at % across) * (width + gap)
        out[top : top + height, left : left + width, :channels] = tile
        if channels == 3:
            out[top : top + height, left : left + width, 3] = 255
    return out
