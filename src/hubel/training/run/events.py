"""Events of a run: what it reports to whoever follows it, such as a progress bar or TensorBoard."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from hubel.evaluation.metrics import Evaluation
from hubel.training.events import BatchDone, RoundDone, Settled, Warned

if TYPE_CHECKING:
    from hubel.model.file import Model
    from hubel.model.header import Validated
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
class PageReady:
    """The page that shows the run while it goes answers at this address."""

    address: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over: its best model and how it does on the validation images."""

    folder: RunFolder
    model: Model = field(repr=False)
    val: Evaluation = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The run was stopped or failed before its end; it may be resumed where there is a checkpoint.

    `ensemble` is the folder of all members, if it was one of these.
    """

    folder: RunFolder
    can_resume: bool
    ensemble: Path | None = None


@dataclass(frozen=True, slots=True)
class MemberBegan:
    """A member of an ensemble begins or resumes, the one of this number, from 1; what follows is of it.

    `seed` is the random seed of all but the images held out; `start` the starting model, empty for none;
    `resumed` says that it goes on from where it was stopped.
    """

    number: int
    members: int
    seed: int
    start: str = ""
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class EnsembleDone:
    """All members of an ensemble are trained: how well `each` does on the validation images, and all of them.

    `val` is None where the members' network is a module of the user's own, which only its code makes.
    """

    folder: Path
    each: tuple[Validated | None, ...]
    val: Evaluation | None = field(repr=False)


Event: TypeAlias = (
    NetworkChosen
    | ImagesRead
    | HeadTrained
    | Began
    | PageReady
    | BatchDone
    | RoundDone
    | Warned
    | Settled
    | Finished
    | Stopped
    | MemberBegan
    | EnsembleDone
)
"""Every event of a run, those of its training among them."""
