"""A data set in the plane with thumbnails, and the neighbours of an image as a strip; JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw

from hubel.instruments.embedding import spread
from hubel.report.instruments.canvas import Block, Section, as_colour, enlarged, sheet
from hubel.report.style import lettering

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.embedding import Neighbours

    Bytes = npt.NDArray[np.uint8]
    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]
    Colour = tuple[int, int, int]

_PAPER, _INK, _MUTED = (255, 255, 255), (29, 29, 31), (102, 102, 107)
_MARGIN, _TITLE, _FRAME, _DOT = 24, 40, 3, 3
_MOST_NAMED = 40


def map_figure(
    points: Floats,
    thumbs: Bytes,
    labels: Counts,
    classes: Sequence[str],
    *,
    title: str = "",
    side: int = 1000,
    thumb: int = 32,
) -> bytes:
    """Draws images where they lie in the plane as a PNG.

    `points`: float32, n x 2 of 0 to 1, the second upwards; `thumbs`: uint8, n x h x w x c; `labels`:
    int64, n. Every image is a dot in its class's colour. Images for which there is room, chosen without
    regard to their class, are thumbnails in a frame of that colour, about `thumb` pixels wide.
    """
    shown = sorted(set(labels.tolist()))
    colours = dict(zip(shown, palette(len(shown)), strict=True))
    tile = max(enlarged(as_colour(thumbs[0]), thumb).size) + 2 * _FRAME
    named = [(classes[label], colours[label]) for label in shown[:_MOST_NAMED]]
    font = lettering(14, *(name for name, _ in named))
    legend = 40 + max(round(font.getlength(name)) for name, _ in named)
    width, height = side + tile + 2 * _MARGIN + legend, side + tile + 2 * _MARGIN + _TITLE
    canvas = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((_MARGIN, 12), title, _INK, lettering(16, title))
    across = _MARGIN + tile / 2 + side * points[:, 0]
    down = _TITLE + _MARGIN + tile / 2 + side * (1 - points[:, 1])
    for x, y, label in zip(across, down, labels, strict=True):
        draw.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), colours[int(label)])
    order = np.random.default_rng(0).permutation(len(points))
    for at in order[spread(points[order], tile / side, overlap=0.15)]:
        image = enlarged(as_colour(thumbs[at]), thumb)
        left, top = round(across[at] - tile / 2), round(down[at] - tile / 2)
        right, bottom = left + image.width + 2 * _FRAME - 1, top + image.height + 2 * _FRAME - 1
        draw.rectangle((left, top, right, bottom), colours[int(labels[at])])
        canvas.paste(image, (left + _FRAME, top + _FRAME))
    for row, (name, colour) in enumerate(named):
        left, top = side + tile + 2 * _MARGIN, _TITLE + _MARGIN + 22 * row
        draw.rectangle((left, top, left + 13, top + 13), colour)
        draw.text((left + 20, top - 2), name, _INK, font)
    if len(shown) > _MOST_NAMED:
        said = f"and {len(shown) - _MOST_NAMED} more"
        draw.text((side + tile + 2 * _MARGIN, _TITLE + _MARGIN + 22 * _MOST_NAMED), said, _MUTED, font)
    out = io.BytesIO()
    canvas.save(out, "PNG", optimize=True)
    return out.getvalue()


def strip_figure(
    query: Bytes, thumbs: Bytes, found: Neighbours, names: Sequence[str], *, title: str
) -> bytes:
    """Draws an image and its neighbours as a PNG, each with its class and cosine.

    `query`: uint8, h x w x c; `thumbs`: uint8, k x h x w x c and `names`, k, of the neighbours.
    """
    near = [
        Block(f"{name}  {cosine:.3f}", [[as_colour(thumb)]])
        for name, cosine, thumb in zip(names, found.cosines, thumbs, strict=True)
    ]
    sections = [
        Section(title, "", [Block("", [[as_colour(query)]])], 1),
        Section("nearest", "by the cosine of the features before the last layer with weights", near, 1),
    ]
    return sheet(sections, side=104)


def map_json(points: Floats, names: Sequence[str], labels: Counts, classes: Sequence[str]) -> str:
    """The position of each image."""
    content: list[dict[str, Any]] = [
        {"file": name, "class": classes[label], "x": float(x), "y": float(y)}
        for name, label, (x, y) in zip(names, labels.tolist(), points, strict=True)
    ]
    return json.dumps(content, ensure_ascii=False)


def near_json(found: Neighbours, names: Sequence[str], labels: Counts, classes: Sequence[str]) -> str:
    """The neighbours, the most similar first; `names` and `labels` are the set's."""
    content: list[dict[str, Any]] = [
        {"file": names[place], "class": classes[labels[place]], "cosine": float(cosine)}
        for place, cosine in zip(found.places, found.cosines, strict=True)
    ]
    return json.dumps(content, ensure_ascii=False)


def palette(count: int) -> list[Colour]:
    """Returns `count` different colours, as easy to distinguish as possible."""
    if count <= 20:
        colours = mpl.colormaps["tab10" if count <= 10 else "tab20"](range(count))
    else:
        colours = mpl.colormaps["hsv"](np.linspace(0, 1, count, endpoint=False))
    found = np.rint(255 * colours[:, :3]).astype(int).tolist()
    return [(red, green, blue) for red, green, blue in found]
