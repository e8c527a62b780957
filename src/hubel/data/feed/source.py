"""Where a run's batches come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from hubel.data.feed.batches import Batch, Epoch, Sides

if TYPE_CHECKING:
    from hubel.data.arrays import Labels


class Source(Protocol):
    """Where batches come from: `Batches` in memory, or streams of what is too large for it."""

    @property
    def labels(self) -> Labels:
        """The class of every image."""

    def batches(self, among: Tensor | None = None) -> int:
        """How many batches an epoch has, of all images or `among` some."""

    def first(self) -> Batch:
        """The first batch of the first epoch, made at once."""

    def epoch(self, number: int, sides: Sides | None = None, among: Tensor | None = None) -> Epoch:
        """Images and targets, batch by batch, resized to `sides`; the same for the same number."""
