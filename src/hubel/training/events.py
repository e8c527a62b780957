"""Events of training: what the trainer reports; `hubel.training.run.events` has those of a whole run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hubel.evaluation.metrics import Evaluation


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A step of the optimizer: its place in the epoch, the loss of its batch, the progress of the run."""

    epoch: int
    batch: int
    batches: int
    loss: float
    progress: float


@dataclass(frozen=True, slots=True)
class RoundDone:
    """A round with its validation: an epoch or, in a timed run, a tenth of the time.

    `epoch` is the number of epochs trained so far, `progress` the progress of the run, from 0 to 1.
    `train_loss` is the mean over the round's images, as trained; `train_top1` the accuracy on these augmented
    images while training. `waited` is the share of the round in which the step waited for its batch; on a CPU
    that includes making it. `seconds` is the time since the first step, without pauses between resumed parts.
    `best` says whether the model did better than in every round before, and than the starting model: of equal
    accuracies the lower validation loss is better.
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

    def __repr__(self) -> str:
        return (
            f"RoundDone(epoch={self.epoch:g}, train_loss={self.train_loss:.4f}, "
            f"val_loss={self.val.loss:.4f}, val_top1={self.val.top1:.4f}, "
            f"seconds={self.seconds:.1f}, best={self.best})"
        )


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning: a sentence with its remedy."""

    text: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The run ends before its time: the last rounds, so many, were no better than the best one."""

    rounds: int


Event: TypeAlias = BatchDone | RoundDone | Warned | Settled
