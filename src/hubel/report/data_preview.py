"""The figure of a preview: images of a set beside what a network sees of them."""

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
class Example:
    """An image of a class: the `original`, of mode L or RGB and upright; `seen`, as the network sees it;
    and its augmented `variants`. Arrays are uint8, h x w x c.
    """

    label: str
    original: Image.Image
    seen: Bytes
    variants: Sequence[Bytes]


def preview_figure(name: str, examples: Sequence[Example], volume: Volume, fit: str) -> bytes:
    """Draws a PNG with a row per image: the original, what the network sees, the augmented variants."""
    variants = max((len(each.variants) for each in examples), default=0)
    columns = [
        "original",
        f"seen, {volume.height}x{volume.width}",
        *["in training", *[""] * variants][:variants],
    ]
    rows = [f"{each.label}  {each.original.height}x{each.original.width}" for each in examples]
    cells = [
        [[_small(each.original)], *([as_colour(pixels)] for pixels in (each.seen, *each.variants))]
        for each in examples
    ]
    return tables([Table(name, f"as seen at {volume}, fit {fit}", columns, rows, cells)], side=_SIDE)


def _small(original: Image.Image) -> Bytes:
    """Returns an image with three channels, no larger than it is drawn."""
    copy = original.convert("RGB")
    copy.thumbnail((2 * _SIDE, 2 * _SIDE))
    return np.asarray(copy)
