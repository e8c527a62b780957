"""Images made to excite units, as one PNG, each with its score and the course of its ascent; JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hubel.report.instruments.canvas import GROUND, Block, Section, as_colour, sheet
from hubel.report.instruments.deconv import framed

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.synthesise import Synthesis
    from hubel.instruments.unit import Unit
    from hubel.net.field import Box

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]

_LINE, _PAPER = (47, 111, 176), (255, 255, 255)


def synthesis_figure(
    found: Sequence[Synthesis],
    *,
    names: Mapping[Unit, str] | None = None,
    boxes: Mapping[Unit, Box] | None = None,
    side: int = 128,
) -> bytes:
    """Draws images as a PNG, with a section per layer; up to four have the course of the activation beside.

    The label of an image is its unit's position in the layer, or its name in `names`, and the activations of
    the first image and of this one. `boxes`: what single units see, framed.
    """
    sections = []
    curves = len(found) <= 4
    for path in dict.fromkeys(each.unit.path for each in found):
        blocks = []
        for each in found:
            if each.unit.path != path:
                continue
            box = (boxes or {}).get(each.unit)
            image = as_colour(each.image) if box is None else framed(each.image, box)
            place = str(each.unit)[len(path) + 1 : -1]
            label = f"{(names or {}).get(each.unit, place)}  {each.start:.3g} to {each.score:.3g}"
            panels = [[image], [course(each.history, side)]] if curves else [[image]]
            blocks.append(Block(label, panels))
        sections.append(Section(path, f"{len(found[0].history)} steps", blocks, 1))
    return sheet(sections, side=side)


def course(history: Floats, side: int) -> Bytes:
    """The course of an activation over the steps as a square image: uint8, side x side x 3.

    From its least value at the bottom to its largest at the top; a line stands at zero where it crosses it.
    """
    canvas = np.empty((side, side, 3), np.uint8)
    canvas[:] = _PAPER
    edge = max(1, side // 16)
    low, high = float(history.min()), float(history.max())
    span = high - low or 1.0
    bottom, height = side - 1 - edge, side - 1 - 2 * edge
    steps = np.interp(np.linspace(0, len(history) - 1, side), np.arange(len(history)), history)
    rows = np.rint(bottom - (steps - low) / span * height).astype(np.int64)
    canvas[[0, -1]], canvas[:, [0, -1]] = GROUND, GROUND
    if low < 0 < high:
        canvas[round(bottom + low / span * height)] = GROUND
    for column, (before, row) in enumerate(zip((rows[0], *rows), rows, strict=False)):
        canvas[min(before, row) : max(before, row) + 2, column] = _LINE
    return canvas


def as_json(found: Sequence[Synthesis]) -> str:
    """Everything about the ascents except the images."""
    return json.dumps(
        [
            {
                "unit": str(each.unit),
                "start": each.start,
                "score": each.score,
                "history": [float(value) for value in each.history],
            }
            for each in found
        ]
    )
