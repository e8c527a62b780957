"""Topography: how position in a map follows position in the image.

The ledger computes which pixels each unit sees. A small spot of light that moves over the image confirms it:
only units whose receptive field contains the spot may respond, and the responding position moves with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hubel.errors import UsageError
from hubel.instruments.subject import Subject, glance
from hubel.instruments.tuning import BATCH, light
from hubel.net.field import box

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[np.int64]

_NOISE = 1e-4
"""Responses below this fraction of the largest are rounding errors: fast convolutions work in tiles."""


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A spot that moves along one axis of the image, through its middle, and the responses of a layer.

    `spots`: int64, steps x 2, the first and last pixel of the spot along the axis; `boxes`: int64,
    positions x 2, the first and last pixel that each position of a map sees along it, padding included;
    `answers`: float32, steps x positions, the largest change there over all maps and the other axis, and 0
    if that is no more than rounding.
    """

    spots: Counts
    boxes: Counts
    answers: npt.NDArray[np.float32]

    @property
    def centres(self) -> Floats:
        """The middle of what each position sees, in pixels: positions."""
        return np.asarray(self.boxes.mean(1))

    @property
    def followed(self) -> Floats:
        """Where the responses are in the image, in pixels: the mean of the centres, weighted by them.

        One per step; NaN if nothing responds.
        """
        weights = self.answers.astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray(weights @ self.centres / weights.sum(1))

    @property
    def outside(self) -> int:
        """The number of responses at positions that do not see the spot: 0 if the boxes are correct."""
        first, last = self.spots.T[:, :, None]
        sees = (self.boxes[:, 0] <= last) & (first <= self.boxes[:, 1])
        return int((~sees & (self.answers > 0)).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Topography:
    """The positions of a layer in the image: a sweep down the rows, and one across the columns."""

    path: str
    rows: Sweep
    columns: Sweep


def topography(
    subject: Subject,
    paths: Sequence[str],
    see: Callable[[Tensor], Tensor] | None = None,
    *,
    spot: int = 1,
    batch: int = BATCH,
    progress: Callable[[int], None] | None = None,
) -> tuple[Topography, ...]:
    """Moves a white spot of `spot` x `spot` pixels over plain grey, and follows it through layers.

    `see` turns images, uint8, n x height x width x depth, into the network's input; by default into values
    from 0 to 1. `progress` is called with the number of spots shown.

    Raises UsageError: no layers, no such layer, a spot larger than the image.
    """
    chosen = list(dict.fromkeys(paths))
    high, wide = subject.volume.plane
    if not chosen:
        raise UsageError("name the layers to follow the spot through")
    if not 1 <= spot <= min(high, wide):
        raise UsageError(f"a spot is 1 to {min(high, wide)} pixels wide on {subject.volume}, not {spot}")
    grey = torch.full((1, high, wide, subject.volume.depth), 128, dtype=torch.uint8)
    places = [(top, (wide - spot) // 2) for top in range(high - spot + 1)]
    places += [((high - spot) // 2, left) for left in range(wide - spot + 1)]
    blank = glance(subject, (see or light)(grey), chosen)
    changes: dict[str, list[Tensor]] = {path: [] for path in chosen}
    for start in range(0, len(places), batch):
        part = places[start : start + batch]
        images = grey.repeat(len(part), 1, 1, 1)
        for image, (top, left) in zip(images, part, strict=True):
            image[top : top + spot, left : left + spot] = 255
        for path, values in glance(subject, (see or light)(images), chosen).items():
            changes[path].append((values - blank[path]).abs().amax(1).float().cpu())
        if progress is not None:
            progress(start + len(part))
    walked = high - spot + 1
    found = []
    for path in chosen:
        change = torch.cat(changes[path])
        change[change < _NOISE * change.max()] = 0
        down, across = change[:walked].amax(2).numpy(), change[walked:].amax(1).numpy()
        rows, columns = _boxes(subject, path)
        walks = Sweep(_spots(walked, spot), rows, down), Sweep(_spots(len(across), spot), columns, across)
        found.append(Topography(path, *walks))
    return tuple(found)


def _spots(steps: int, spot: int) -> Counts:
    first = np.arange(steps)
    return np.stack([first, first + spot - 1], 1)


def _boxes(subject: Subject, path: str) -> tuple[Counts, Counts]:
    """The first and last row each row of a layer sees, and column each column: n x 2 each."""
    output = subject.step(path).output
    rows = [box(subject.steps, path, row, 0) for row in range(output.height)]
    columns = [box(subject.steps, path, 0, column) for column in range(output.width)]
    return (
        np.array([(each.top, each.bottom) for each in rows]),
        np.array([(each.left, each.right) for each in columns]),
    )
