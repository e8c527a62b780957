"""Events: what a run reports to whoever follows it, such as a progress bar or TensorBoard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from hubel.evaluation.metrics import Evaluation

if TYPE_CHECKING:
    from hubel.model.file import Model
    from hubel.training.run.auto import Chosen
    from hubel.training.run.folder import RunFolder
    from hubel.training.run.session import Session


@dataclass(frozen=True, slots=True)
class NetworkChosen:
    """The network, recipe and starting model are settled; `asked`: the latter was asked for."""

    chosen: Chosen
    asked: bool


@dataclass(frozen=True, slots=True)
class ImagesRead:
    """This many images are read."""

    count: int


@dataclass(frozen=True, slots=True)
class HeadTrained:
    """The new head of a pretrained network was trained alone; `val` is the result."""

    val: Evaluation = field(repr=False)


@dataclass(frozen=True, slots=True)
class Began:
    """Training begins, or resumes."""

    session: Session = field(repr=False)


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
    `train_loss` is the mean over the round's images, as trained; `train_top1` the accuracy on these
    augmented images while training. `waited` is the share of the round in which the step waited for its
    batch. `seconds` is the time since the first step, without pauses between resumed parts. `best` says
    whether the model did better than in every round before, and than the starting model.
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
class Finished:
    """The run is over: its best model and how it does on the validation images."""

    folder: RunFolder
    model: Model = field(repr=False)
    val: Evaluation = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The run was stopped or failed before its end; it may be resumed where there is a checkpoint."""

    folder: RunFolder
    can_resume: bool


Event: TypeAlias = (
    NetworkChosen | ImagesRead | HeadTrained | Began | BatchDone | RoundDone | Warned | Finished | Stopped
)
