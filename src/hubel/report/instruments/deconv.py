"""Units projected back to the pixels of one image: a row per unit, a column per rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hubel.report.instruments.canvas import Block, Section, as_colour, sheet, signal

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.deconv import Projections
    from hubel.net.field import Box

_FRAME = (200, 96, 43)


def projections_figure(
    image: npt.NDArray[np.uint8],
    rows: Sequence[tuple[Box, Sequence[Projections]]],
    *,
    switches: bool = True,
) -> bytes:
    """Draws units of one image as a PNG: uint8, h x w x c, and for each unit its box and projections.

    Each row is the image with the unit's box framed, then the projections in order, each on its own scale:
    zero is middle grey, the largest magnitude black or white. Without `switches`, the label of the
    deconvnet's projection says that it is the same for every image.
    """
    sections = []
    for box, projections in rows:
        blocks = [Block("sees", [[framed(image, box)]])]
        blocks += [
            Block(_label(each, switches=switches), [[signal(each.signals[0])]]) for each in projections
        ]
        first = projections[0]
        sections.append(Section(str(first.units[0]), f"{first.scores[0]:.4g}", blocks, 1))
    return sheet(sections, side=160)


def _label(found: Projections, *, switches: bool) -> str:
    return "deconv, of any image" if found.rule == "deconv" and not switches else found.rule


def framed(image: npt.NDArray[np.uint8], box: Box) -> npt.NDArray[np.uint8]:
    """Returns the image in colour, darker outside a box, with the pixels at the box's edge coloured."""
    shown = as_colour(image).astype(np.float32)
    inside = np.zeros(shown.shape[:2], bool)
    inside[box.top : box.bottom + 1, box.left : box.right + 1] = True
    shown[~inside] *= 0.45
    for line in (
        np.s_[box.top, box.left : box.right + 1],
        np.s_[box.bottom, box.left : box.right + 1],
        np.s_[box.top : box.bottom + 1, box.left],
        np.s_[box.top : box.bottom + 1, box.right],
    ):
        shown[line] = 0.5 * shown[line] + 0.5 * np.array(_FRAME)
    return shown.round().astype(np.uint8)
