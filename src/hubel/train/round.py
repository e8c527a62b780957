"""A round of a run: the steps between two validations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from hubel.data.batches import Made


@dataclass(slots=True)
class Round:
    """What adds up until a round is done."""

    began: float
    pictures: int = 0
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
        self.pictures += len(scores)
        self.right += (scores.argmax(1) == truth).sum()
        self.loss += loss * len(scores)
