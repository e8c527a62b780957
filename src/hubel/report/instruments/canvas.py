"""Sheets of small images as PNG: sections of labelled blocks, or tables with rows and columns.

Images are uint8, h x w x 3. Small ones are enlarged a whole number of times without blur.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from hubel.report.style import lettering

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

GROUND = (221, 218, 211)
"""The background where there is no image: the style's line colour."""

_INK, _MUTED, _PAPER = (29, 29, 31), (102, 102, 107), (255, 255, 255)
_WIDTH, _MARGIN, _GAP, _LABEL, _TITLE = 1280, 16, 14, 15, 26


@dataclass(frozen=True, slots=True)
class Block:
    """Panels side by side under a label; a panel is tiles, uint8, h x w x 3 of one size."""

    label: str
    panels: Sequence[Sequence[Bytes]]


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a title with a note beside it; `across` is the number of tiles per row of a panel."""

    title: str
    note: str
    blocks: Sequence[Block]
    across: int


@dataclass(frozen=True, slots=True)
class Table:
    """Cells under a title, a note beside it: rows x columns x tiles, uint8, h x w x 3 each.

    Every cell has as many tiles; those of one place in their cells are of one size.
    """

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[str]
    cells: Sequence[Sequence[Sequence[Bytes]]]


def as_colour(pixels: Bytes) -> Bytes:
    """Returns an image of h x w x 1 or 3 with three channels."""
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def signal(values: Floats) -> Bytes:
    """Draws a signal, float32, depth x h x w, as h x w x 3: zero is the middle grey, the largest
    magnitude black or white. Three deep are colours; any other depth is grey by the mean over it.
    """
    shown = values if len(values) == 3 else values.mean(0, keepdims=True)
    largest = float(np.abs(shown).max(initial=0))
    scaled = 127.5 + 127.5 * shown / largest if largest else np.full_like(shown, 127.5)
    return as_colour(np.rint(scaled).astype(np.uint8).transpose(1, 2, 0))


def sheet(sections: Sequence[Section], *, side: int = 48) -> bytes:
    """Draws sections one under the other as a PNG; tiles are about `side` pixels, never over twice that."""
    return _stacked([_section(section, side) for section in sections])


def tables(content: Sequence[Table], *, side: int = 48) -> bytes:
    """Draws tables one under the other as a PNG; tiles are about `side` pixels, never over twice that."""
    return _stacked([_table(table, side) for table in content])


def _stacked(drawn: Sequence[Image.Image]) -> bytes:
    width = max((image.width for image in drawn), default=1) + 2 * _MARGIN
    height = sum(image.height + _GAP for image in drawn) + 2 * _MARGIN
    canvas = Image.new("RGB", (width, height), _PAPER)
    top = _MARGIN
    for image in drawn:
        canvas.paste(image, (_MARGIN, top))
        top += image.height + _GAP
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()


def enlarged(pixels: Bytes, side: int) -> Image.Image:
    """Returns an image enlarged by a whole number to about `side` pixels; a larger one is reduced."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    longest = max(image.size)
    if longest > 2 * side:
        image.thumbnail((2 * side, 2 * side), Image.Resampling.LANCZOS)
        return image
    factor = max(1, round(side / longest))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _section(section: Section, side: int) -> Image.Image:
    blocks = [_block(block, section.across, side) for block in section.blocks]
    wide = max((block.width for block in blocks), default=1)
    high = max((block.height for block in blocks), default=1)
    columns = max(1, min(len(blocks), (_WIDTH + _GAP) // (wide + _GAP)))
    rows = math.ceil(len(blocks) / columns)
    title = f"{section.title}   {section.note}"
    across = max(columns * (wide + _GAP) - _GAP, round(lettering(13, title).getlength(title)) + 40)
    canvas = Image.new("RGB", (across, _TITLE + rows * (high + _GAP) - _GAP), _PAPER)
    _titled(canvas, section.title, section.note)
    for at, block in enumerate(blocks):
        row, column = divmod(at, columns)
        canvas.paste(block, (column * (wide + _GAP), _TITLE + row * (high + _GAP)))
    return canvas


def _table(table: Table, side: int) -> Image.Image:
    """Draws a table; columns for which there is no room continue below."""
    cells = [[_strip(tiles, side) for tiles in row] for row in table.cells]
    wide = max((cell.width for row in cells for cell in row), default=1)
    high = max((cell.height for row in cells for cell in row), default=1)
    names = lettering(11, *table.rows, *table.columns)
    left = round(max((names.getlength(name) for name in table.rows), default=0)) + 10
    across = max(1, min(len(table.columns), (_WIDTH - left + _GAP) // (wide + _GAP)))
    band = _LABEL + len(table.rows) * (high + 6) + _GAP
    title, note = lettering(15, table.title), lettering(12, table.note)
    least = round(title.getlength(table.title) + note.getlength(table.note)) + 24
    size = max(left + across * (wide + _GAP) - _GAP, least), math.ceil(len(table.columns) / across) * band
    canvas = Image.new("RGB", (size[0], _TITLE + size[1] - _GAP), _PAPER)
    draw = _titled(canvas, table.title, table.note)
    for column, head in enumerate(table.columns):
        top = _TITLE + column // across * band
        place = left + column % across * (wide + _GAP)
        draw.text((place, top), head, _MUTED, names)
        for row, name in enumerate(table.rows):
            down = top + _LABEL + row * (high + 6)
            if column % across == 0:
                draw.text((0, down + high / 2), name, _MUTED, names, anchor="lm")
            canvas.paste(cells[row][column], (place, down))
    return canvas


def _strip(tiles: Sequence[Bytes], side: int) -> Image.Image:
    """Tiles side by side, whatever their sizes."""
    images = [enlarged(tile, side) for tile in tiles] or [Image.new("RGB", (side, side), GROUND)]
    size = sum(each.width + 1 for each in images) - 1, max(each.height for each in images)
    canvas = Image.new("RGB", size, _PAPER)
    left = 0
    for each in images:
        canvas.paste(each, (left, 0))
        left += each.width + 1
    return canvas


def _titled(canvas: Image.Image, title: str, note: str) -> ImageDraw.ImageDraw:
    """Writes a title and the note beside it at the top."""
    draw = ImageDraw.Draw(canvas)
    large = lettering(15, title)
    draw.text((0, 2), title, _INK, large)
    draw.text((large.getlength(title) + 14, 4), note, _MUTED, lettering(12, note))
    return draw


def _block(block: Block, across: int, side: int) -> Image.Image:
    panels = [_panel(tiles, across, side) for tiles in block.panels]
    small = lettering(11, block.label)
    label = round(small.getlength(block.label)) + 2
    width = max(sum(panel.width + 4 for panel in panels) - 4, label)
    canvas = Image.new("RGB", (width, _LABEL + max(panel.height for panel in panels)), _PAPER)
    ImageDraw.Draw(canvas).text((0, 0), block.label, _MUTED, small)
    left = 0
    for panel in panels:
        canvas.paste(panel, (left, _LABEL))
        left += panel.width + 4
    return canvas


def _panel(tiles: Sequence[Bytes], across: int, side: int) -> Image.Image:
    if not tiles:
        return Image.new("RGB", (side, side), GROUND)
    images = [enlarged(tile, side) for tile in tiles]
    wide, high = images[0].size
    columns = min(across, len(images))
    rows = math.ceil(len(images) / columns)
    canvas = Image.new("RGB", (columns * (wide + 1) - 1, rows * (high + 1) - 1), _PAPER)
    for at, image in enumerate(images):
        row, column = divmod(at, columns)
        canvas.paste(image, (column * (wide + 1), row * (high + 1)))
    return canvas
