"""Maps through the states of a network: a figure with a row per state and a column per map; JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from hubel.report.instruments.canvas import Table, as_colour, signal, tables
from hubel.report.instruments.chart import finite
from hubel.report.instruments.patches import extent, patch_json, placed

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.instruments.ages import Ages
    from hubel.net.volume import Volume

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]


def ages_figure(found: Sequence[Ages], names: Sequence[str], volume: Volume, rule: str = "deconv") -> bytes:
    """Draws maps through states as a PNG: a table per layer, a row per state, a column per map.

    If the layer reads the image itself, a cell begins with the map's filter, on one scale for all states and
    maps of the layer: zero is middle grey. Then follow the patches that drive the map most, the strongest
    first, each with its projection by `rule`. Missing patches are in the background's grey.
    """
    drawn = []
    for path, ages in groupby(found, key=lambda each: each.unit.path):
        maps = list(ages)
        patches = [patch for each in maps for state in each.patches for patch in state]
        size = extent(patches, volume)
        most = max((len(state) for each in maps for state in each.patches), default=0)
        kernels = _kernels(maps)
        cells = [
            [
                [*([kernels[at][age]] if kernels else []), *_pairs(each, age, volume, size, most)]
                for at, each in enumerate(maps)
            ]
            for age in range(len(names))
        ]
        some = "the filter, then " if kernels else ""
        note = f"{some}the patches that drive the map most, and their projections by {rule}"
        heads = [str(each.unit.channel) for each in maps]
        drawn.append(Table(path, note, heads, list(names), cells))
    return tables(drawn)


def ages_as_json(found: Sequence[Ages], names: Sequence[str]) -> str:
    """For each map and state: its top patches, and the cosine of its filter with the last state's."""
    return json.dumps(
        [
            {
                "unit": str(each.unit),
                "states": [
                    {
                        "model": name,
                        **({} if alike is None else {"filter_cosine_to_last": finite(alike)}),
                        "patches": [*map(patch_json, patches)],
                    }
                    for name, alike, patches in zip(names, _cosines(each), each.patches, strict=True)
                ],
            }
            for each in found
        ],
        indent=2,
        ensure_ascii=False,
    )


def _pairs(ages: Ages, age: int, volume: Volume, size: tuple[int, int], most: int) -> list[Bytes]:
    """The patches of one map in one state, each with its projection, filled up with empty tiles."""
    tiles: list[Bytes] = []
    for patch, projection in zip(ages.patches[age], ages.projections[age], strict=True):
        tiles.append(placed(patch.pixels, patch, volume, size))
        tiles.append(placed(signal(projection), patch, volume, size))
    return tiles + [np.full((*size, 3), 221, np.uint8)] * (2 * most - len(tiles))


def _kernels(maps: Sequence[Ages]) -> list[list[Bytes]]:
    """The filters of a layer's maps, by map and state, on one scale; none if they do not read pixels."""
    filters = [each.filters for each in maps if each.filters is not None]
    if not filters:
        return []
    shown = [each if each.shape[1] == 3 else each.mean(1, keepdims=True) for each in filters]
    largest = max(float(np.abs(each).max(initial=0)) for each in shown) or 1.0
    return [
        [
            as_colour(np.rint(127.5 + 127.5 * one / largest).astype(np.uint8).transpose(1, 2, 0))
            for one in each
        ]
        for each in shown
    ]


def _cosines(ages: Ages) -> list[float | None]:
    """The cosine of each state's filter with the last state's; None if the map has no filters."""
    if ages.filters is None:
        return [None] * len(ages.patches)
    flat = ages.filters.reshape(len(ages.filters), -1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return [float(each @ flat[-1] / np.sqrt((each @ each) * (flat[-1] @ flat[-1]))) for each in flat]
