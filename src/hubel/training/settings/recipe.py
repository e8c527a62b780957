"""How to train: a recipe is one frozen value, those of the papers among them by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hubel.data.augment.policy import Augmentation
from hubel.errors import UsageError, nearest
from hubel.module.initialise import RULES
from hubel.module.views import VIEWS
from hubel.training.step.optimizer import OPTIMIZERS, Rates
from hubel.training.step.schedule import SCHEDULES, Course, side

WRITTEN_FOR = 32
"""The side in pixels that shifts and cutouts of the recipes below are written for."""

STEPS = 20
"""The fewest steps an epoch should have: small sets get smaller batches."""

SMALLEST_BATCH = 8
"""The smallest that batches get so: of fewer images a gradient is mostly noise."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained, whatever the network and the data.

    `lr` is the peak of the schedule, for `batch` images a step. `warm_up` is the share of the run in
    which it rises, `milestones` the shares at which a schedule of steps divides it by 10. `clip` is the
    largest norm of the gradient, 0 for none. `average` is the decay a step of the moving average of the
    weights that is kept as the model, 0 for none. `whiten` gives the first convolution of a network that
    starts anew, for good, filters that whiten the training images. `hardest` is the share of the images
    that an epoch after the first sees: those whose loss was highest when they were last seen (`Hardest`).
    `fixed_statistics` keeps the batch normalisation of a model that the run starts from as it is at
    inference, in place of each batch's own mean and variance. `smallest` is the side, as a share of the
    input's, at which images are seen first; it grows to 1 until the share `grown` of the run. `views` is
    how the finished model looks at an image.

    Raises UsageError: a value outside its range.
    """

    epochs: int = 30
    batch: int = 64
    optimizer: str = "sgd"
    lr: float = 0.05
    schedule: str = "cycle"
    warm_up: float = 0.25
    milestones: tuple[float, ...] = ()
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    clip: float = 1.0
    average: float = 0.0
    init: str = "he"
    whiten: bool = False
    hardest: float = 1.0
    fixed_statistics: bool = False
    smallest: float = 1.0
    grown: float = 0.0
    views: str = "one"
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            check(name, getattr(self, name) >= 1, "at least 1", getattr(self, name))
        check("lr", 0 < self.lr < float("inf"), "above 0", self.lr)
        check("clip", 0 <= self.clip < float("inf"), "above 0, or 0 for none", self.clip)
        for name in ("momentum", "label_smoothing", "average"):
            check(name, 0 <= getattr(self, name) < 1, "from 0 to below 1", getattr(self, name))
        check("weight_decay", 0 <= self.weight_decay < float("inf"), "at least 0", self.weight_decay)
        for name in ("warm_up", "grown"):
            check(name, 0 <= getattr(self, name) <= 1, "from 0 to 1", getattr(self, name))
        for name in ("hardest", "smallest"):
            check(name, 0 < getattr(self, name) <= 1, "above 0 and at most 1", getattr(self, name))
        ordered = list(self.milestones) == sorted(self.milestones)
        inside = all(0 < share < 1 for share in self.milestones)
        check("milestones", ordered and inside, "of rising shares of the run", self.milestones)
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("init", RULES),
            ("views", VIEWS),
        ):
            text = getattr(self, name)
            check(name, text in known, f"one of {', '.join(known)}", f"{text!r}{nearest(text, known)}")

    @property
    def rates(self) -> Rates:
        """The numbers of its optimizer."""
        return Rates(self.lr, self.momentum, self.weight_decay, self.batch)

    def rate(self, progress: float) -> float:
        """The learning rate at a point of the run, 0 to 1, as a share of its peak."""
        course = Course(self.warm_up, self.milestones, self.epochs)
        return SCHEDULES[self.schedule](progress, course)

    def side(self, progress: float, whole: int) -> int:
        """The side, in pixels, at which images are shown at a point of the run; at its end `whole`."""
        return side(progress, whole, self.smallest, self.grown)

    def fitted(self, *, mirror: bool, side: int, images: int) -> Recipe:
        """The recipe for so many training images of so many pixels a side.

        Without flips and mirror views where a mirror image would be of another class; shifts and cutouts,
        which are written for 32 pixels, in proportion; a batch that leaves an epoch 20 steps, but no smaller
        than 8 for that.
        """
        scale = side / WRITTEN_FOR
        augmentation = replace(
            self.augmentation,
            flip=self.augmentation.flip if mirror else "none",
            shift=int(self.augmentation.shift * scale),
            cutout=int(self.augmentation.cutout * scale),
        )
        batch = min(self.batch, max(SMALLEST_BATCH, images // STEPS))
        return replace(self, augmentation=augmentation, batch=batch, views=self.views if mirror else "one")


def check(name: str, fits: bool, range_: str, value: object) -> None:
    """Raises UsageError: a setting's value does not fit."""
    if not fits:
        raise UsageError(f"{name} is {range_}, not {value}")
