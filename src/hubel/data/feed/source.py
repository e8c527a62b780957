"""The protocol of anything that gives a run its batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from hubel.data.feed.batches import Batch, Epoch, Sides

if TYPE_CHECKING:
    from hubel.data.arrays import Labels


class Source(Protocol):
    """A source of batches, such as `Batches`."""

    @property
    def labels(self) -> Labels:
        """The class of each image: int64, n."""

    def batches(self, among: Tensor | None = None) -> int:
        """The number of batches in an epoch over all images, or over those at `among`."""

    def first(self) -> Batch:
        """Returns the first batch of the first epoch, made in the calling thread."""

    def epoch(self, number: int, sides: Sides | None = None, among: Tensor | None = None) -> Epoch:
        """Returns the batches of an epoch, resized to `sides`; the same ones for the same number."""
