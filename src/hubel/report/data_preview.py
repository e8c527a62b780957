"""What a network will see of a set: images as they are, beside what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hubel.net.volume import Volume
from hubel.report.instruments.canvas import Table, as_colour, tables

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes

_SIDE = 128


@dataclass(frozen=True, slots=True)
class Shown:
    """An image of a class: `original` of mode L or RGB and upright, what the network `sees` of it and the
    `variants` of that which it meets in training: uint8, h x w x c each.
    """

    label: str
    original: Image.Image
    sees: Bytes
    variants: Sequence[Bytes]


def preview_figure(name: str, shown: Sequence[Shown], volume: Volume, fit: str) -> bytes:
    """Draws a row for each image as a PNG: the image, what is seen of it, its variants."""
    variants = max((len(each.variants) for each in shown), default=0)
    columns = [
        "original",
        f"seen, {volume.height}x{volume.width}",
        *["in training", *[""] * variants][:variants],
    ]
    rows = [f"{each.label}  {each.original.height}x{each.original.width}" for each in shown]
    cells = [
        [[_small(each.original)], *([as_colour(pixels)] for pixels in (each.sees, *each.variants))]
        for each in shown
    ]
    return tables([Table(name, f"as seen at {volume}, fit {fit}", columns, rows, cells)], side=_SIDE)


def _small(original: Image.Image) -> Bytes:
    """An image no larger than is drawn, with three channels."""
    copy = original.convert("RGB")
    copy.thumbnail((2 * _SIDE, 2 * _SIDE))
    return np.asarray(copy)
