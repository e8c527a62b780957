"""How far a run is: by its epochs, or by the clock when it has a time to keep."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from hubel.data.feed.batches import Made

ROUNDS = 10
"""How many rounds a run by the clock has at most: each ends with a validation."""

SPENT_ON_ROUNDS = 0.05
"""The most of such a run that validations may take."""


@dataclass(slots=True)
class Pace:
    """How far a run is, from 0 to 1.

    `limit` is the seconds from the first step until everything is done, 0 where epochs count;
    `after` are those of them kept for what comes after the last step, known once it was measured, and
    `hurried` says that they leave no time for several views of an image.
    """

    epochs: int
    limit: float = 0.0
    after: float = 0.0
    hurried: bool = False

    def progress(self, epochs: float, seconds: float) -> float:
        """How far a run is after so many epochs and seconds."""
        if not self.limit:
            return epochs / self.epochs
        return min(1.0, seconds / max(self.limit - self.after, 1e-9))

    def due(self, since: float, validation: float) -> bool:
        """Whether a run by the clock should validate, so many seconds after it last did."""
        return bool(self.limit) and since >= max(self.limit / ROUNDS, validation / SPENT_ON_ROUNDS)


@dataclass(slots=True)
class Round:
    """What adds up until a round is done."""

    began: float
    images: int = 0
    right: int | Tensor = 0  # a number on the device, which is not waited for
    loss: float = 0.0
    waited: float = 0.0

    def waiting(self, batches: Iterator[Made]) -> Made:
        """The next batch; how long it took to come is added up."""
        asked = time.perf_counter()
        batch = next(batches)
        self.waited += time.perf_counter() - asked
        return batch

    def add(self, loss: float, scores: Tensor, targets: Tensor) -> None:
        """Takes a batch in."""
        truth = targets.argmax(1) if targets.is_floating_point() else targets
        self.images += len(scores)
        self.right += (scores.argmax(1) == truth).sum()
        self.loss += loss * len(scores)
