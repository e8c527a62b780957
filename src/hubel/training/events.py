"""Events: what a run tells whoever watches it, as progress, a run's folder or TensorBoard do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hubel.evaluation.metrics import Evaluation


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A step of the optimizer: which of how many in the epoch, the loss of its batch, how far the run is."""

    epoch: int
    batch: int
    batches: int
    loss: float
    progress: float


@dataclass(frozen=True, slots=True)
class RoundDone:
    """A round with its validation: an epoch, or, when the clock counts, a tenth of the time.

    `epoch` is how many epochs were trained so far, `progress` how far the run is, from 0 to 1.
    `train_loss` is the mean over the round's images, as trained; `train_top1` the share of the augmented
    images that was right while training. `waited` is the share of the round in which the step waited
    for its batch. `seconds` is the time since the first step, over all sittings. `best` says whether it did
    better than every round before, and than the model it began with where that was kept.
    """

    epoch: float
    progress: float
    lr: float
    train_loss: float
    train_top1: float
    waited: float
    val: Evaluation
    seconds: float
    best: bool


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that whoever watches should know, as a sentence with what to do about it."""

    text: str


Event: TypeAlias = BatchDone | RoundDone | Warned
