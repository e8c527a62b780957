"""The patches of a network's maps as one image, layer by layer, where given with projections; as JSON."""

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
    """Draws the patches of maps as a PNG, a section a layer a block a map.

    A patch stands where it lies in its unit's field, padding being the ground's grey; along an axis on
    which the field is as large as the image, it stands where it lies on the image. `notes`: what to
    say beside a layer's name. `projections`: a signal for each patch, as `project_patches` returns them,
    drawn to the right of the patches as Zeiler and Fergus do, each on its own scale: zero is the middle
    grey, the largest magnitude black or white.
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
    """A JSON list, an object a map, with its patches; of a `box`, `seen` is what lies on the image."""
    said = [{"unit": str(unit), "patches": [*map(patch_json, found)]} for unit, found in patches.items()]
    return json.dumps(said, indent=2, ensure_ascii=False)


def patch_json(patch: Patch) -> dict[str, Any]:
    """A patch as JSON has it."""
    return {
        "file": patch.name,
        "row": patch.unit.row,
        "column": patch.unit.column,
        "score": patch.score,
        "box": asdict(patch.box),
        "seen": asdict(patch.seen),
    }


def placed(pixels: Bytes, patch: Patch, volume: Volume, size: tuple[int, int]) -> Bytes:
    """A patch on the ground of what its unit sees: uint8, h x w x 3 with `size` for h and w.

    What a unit sees that sees less, as maps from a smaller branch do, is in the middle.
    """
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = GROUND
    (high, wide), (height, width) = patch.box.size, volume.plane
    top = _start(patch.box.top, patch.seen.top, high, height) + (size[0] - min(high, height)) // 2
    left = _start(patch.box.left, patch.seen.left, wide, width) + (size[1] - min(wide, width)) // 2
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = as_colour(pixels)
    return canvas


def field_note(field: Field, volume: Volume) -> str:
    """What a layer's units see, in words."""
    size, whole = field.size, volume.plane
    seen = f"sees {size[0]}x{size[1]} pixels"
    return f"{seen}, the whole image and more" if size[0] > whole[0] and size[1] > whole[1] else seen


def _start(box: int, seen: int, size: int, side: int) -> int:
    return seen - box if size < side else seen


def extent(patches: Sequence[Patch], volume: Volume) -> tuple[int, int]:
    """The height and width in which every patch of a layer has its place."""
    sizes = [patch.box.size for patch in patches] or [(1, 1)]
    return min(max(h for h, _ in sizes), volume.height), min(max(w for _, w in sizes), volume.width)
