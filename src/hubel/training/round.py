"""A round: the interval between two validations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from hubel.data.feed.batches import Made


@dataclass(slots=True)
class Round:
    """The sums of a round, that is of the steps between two validations.

    `began` is when it did, by `time.perf_counter`, `since` after how many seconds of the run.
    """

    began: float
    since: float = 0.0
    images: int = 0
    correct: int | Tensor = 0  # a number on the device, which is not waited for
    loss: float = 0.0
    waited: float = 0.0

    def waiting(self, batches: Iterator[Made]) -> Made:
        """The next batch; adds up how long the step waited for it."""
        asked = time.perf_counter()
        batch = next(batches)
        self.waited += time.perf_counter() - asked
        return batch

    def add(self, loss: float, hits: Tensor) -> None:
        """Takes a batch in: its loss, and whether each of its images is predicted correctly."""
        self.images += len(hits)
        self.correct += hits.sum()
        self.loss += loss * len(hits)
