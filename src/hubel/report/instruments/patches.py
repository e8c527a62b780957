"""The patches of maps as one image, layer by layer, with or without projections; JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.net.field import Field
from hubel.net.volume import Volume
from hubel.report.instruments.canvas import GROUND, Block, Section, as_colour, sheet, signal

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.patches import Patch
    from hubel.instruments.unit import Unit

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]


def patches_figure(
    patches: Mapping[Unit, Sequence[Patch]],
    volume: Volume,
    *,
    notes: Mapping[str, str] | None = None,
    projections: Mapping[Unit, Sequence[Floats]] | None = None,
) -> bytes:
    """Draws the patches of maps as a PNG, with a section per layer and a block per map.

    A patch is drawn at its position in its unit's receptive field, with padding in the background's grey.
    Along an axis on which the field is as large as the image, it is drawn at its position on the image.
    `notes` are the texts beside the layers' names. `projections`: a signal for each patch, as
    `project_patches` returns them, drawn to the right of the patches as Zeiler and Fergus do, each on its own
    scale: zero is middle grey, the largest magnitude black or white.
    """
    sections = []
    for path in dict.fromkeys(unit.path for unit in patches):
        maps = [unit for unit in patches if unit.path == path]
        every = [patch for unit in maps for patch in patches[unit]]
        size = extent(every, volume)
        note = (notes or {}).get(path, "")
        if note and len({patch.box.size for patch in every}) > 1:
            note += "; some maps see less"
        side = max((len(patches[unit]) for unit in maps), default=0)
        across = max(1, math.isqrt(max(side - 1, 0)) + 1)
        blocks = []
        for unit in maps:
            panels = [[placed(patch.pixels, patch, volume, size) for patch in patches[unit]]]
            if projections is not None:
                panels.append(
                    [
                        placed(signal(values), patch, volume, size)
                        for values, patch in zip(projections[unit], patches[unit], strict=True)
                    ]
                )
            blocks.append(Block(str(unit.channel), panels))
        sections.append(Section(path, note, blocks, across))
    return sheet(sections)


def as_json(patches: Mapping[Unit, Sequence[Patch]]) -> str:
    """A JSON list with an object per map; `seen` is the part of a patch's `box` on the image."""
    content = [{"unit": str(unit), "patches": [*map(patch_json, found)]} for unit, found in patches.items()]
    return json.dumps(content, indent=2, ensure_ascii=False)


def patch_json(patch: Patch) -> dict[str, Any]:
    """Returns a patch as an object for JSON."""
    return {
        "file": patch.name,
        "row": patch.unit.row,
        "column": patch.unit.column,
        "score": patch.score,
        "box": asdict(patch.box),
        "seen": asdict(patch.seen),
    }


def placed(pixels: Bytes, patch: Patch, volume: Volume, size: tuple[int, int]) -> Bytes:
    """Returns a patch on the background of its unit's receptive field: uint8, h x w x 3, of this `size`.

    A unit that sees less than others, as in maps of a smaller branch, is drawn in the middle.
    """
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = GROUND
    (high, wide), (height, width) = patch.box.size, volume.plane
    top = _start(patch.box.top, patch.seen.top, high, height) + (size[0] - min(high, height)) // 2
    left = _start(patch.box.left, patch.seen.left, wide, width) + (size[1] - min(wide, width)) // 2
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = as_colour(pixels)
    return canvas


def field_note(field: Field, volume: Volume) -> str:
    """Returns what a layer's units see, in words."""
    size, whole = field.size, volume.plane
    seen = f"sees {size[0]}x{size[1]} pixels"
    return f"{seen}, the whole image and more" if size[0] > whole[0] and size[1] > whole[1] else seen


def _start(box: int, seen: int, size: int, side: int) -> int:
    return seen - box if size < side else seen


def extent(patches: Sequence[Patch], volume: Volume) -> tuple[int, int]:
    """Returns the height and width that hold every patch of a layer."""
    sizes = [patch.box.size for patch in patches] or [(1, 1)]
    return min(max(h for h, _ in sizes), volume.height), min(max(w for _, w in sizes), volume.width)
