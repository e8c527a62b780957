"""How to train: a recipe is one frozen value, those of the papers among them by name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from hubel.data.augment.policy import Augmentation
from hubel.errors import UsageError, nearest
from hubel.module.initialise import RULES
from hubel.module.views import VIEWS
from hubel.training.step.optimizer import BIASES, FIRST_BIASES, FIRST_LAYER, OPTIMIZERS, Rates
from hubel.training.step.schedule import SCHEDULES, Course, side

WRITTEN_FOR = 32
"""The side in pixels of the images that the shifts and cutouts of recipes are written for."""

STEPS = 20
"""The fewest steps per epoch: small sets get smaller batches."""

SMALLEST_BATCH = 8
"""Batches are not reduced below this: the gradient of fewer images is mostly noise."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained, whatever the network and the data.

    `batch`: the batch size. `lr`: the peak learning rate. `warm_up`: the share of the run in which the
    learning rate rises. `milestones`: the shares of the run at which the schedule `steps` divides it by 10.
    `plateau`: the rounds without a better validation after which the schedule `plateau` does, at most `falls`
    times; after as many more the run ends. `bias_lr`: the learning rate of biases under `sgd`, which does not
    fall; 0 for that of weights. `first_layer`: none, or two shares of the run: from the first on the first
    layer, its biases too, learns at a tenth of the rate, from the second on it stays. `nesterov`: whether
    momentum is Nesterov's. `clip`: the largest norm of the gradient, 0 for no limit. `filter_bound`: the
    largest root mean square of a filter, to which larger ones are scaled back, 0 for none. `average`: decay
    per step of the moving average of the weights, which becomes the model; 0 for none. `whiten`: fix the
    first convolution of a network without a starting model to filters that whiten the training images.
    `hardest`: the share of the images in each epoch after the first, those whose loss was highest when last
    seen (`Hardest`). `fixed_statistics`: normalise by the starting model's running statistics, not by each
    batch's. `exact_statistics`: at the end, replace the running statistics of batch normalisation by averages
    over training images. `repeat`: how often an image comes in an epoch, each time as another variant; as
    many fewer images come in it. `smallest`: the side of the first images, as a share of the input's; it
    grows to 1 by the share `grown` of the run, and stays if that is 0. `views`: the views of an image over
    which the finished model averages.

    Raises UsageError: a value outside its range.
    """

    epochs: int = 30
    batch: int = 64
    optimizer: str = "sgd"
    lr: float = 0.05
    schedule: str = "cycle"
    warm_up: float = 0.25
    milestones: tuple[float, ...] = ()
    plateau: int = 5
    falls: int = 3
    first_layer: tuple[float, ...] = ()
    momentum: float = 0.9
    nesterov: bool = True
    bias_lr: float = 0.0
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    clip: float = 1.0
    filter_bound: float = 0.0
    average: float = 0.0
    init: str = "he"
    whiten: bool = False
    hardest: float = 1.0
    fixed_statistics: bool = False
    exact_statistics: bool = False
    repeat: int = 1
    smallest: float = 1.0
    grown: float = 0.0
    views: str = "one"
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "plateau", "repeat"):
            check(name, getattr(self, name) >= 1, "at least 1", getattr(self, name))
        check("lr", 0 < self.lr < float("inf"), "above 0", self.lr)
        for name in ("clip", "filter_bound"):
            check(
                name, 0 <= getattr(self, name) < float("inf"), "above 0, or 0 for none", getattr(self, name)
            )
        for name in ("momentum", "label_smoothing", "average"):
            check(name, 0 <= getattr(self, name) < 1, "from 0 to below 1", getattr(self, name))
        check("weight_decay", 0 <= self.weight_decay < float("inf"), "at least 0", self.weight_decay)
        for name in ("warm_up", "grown"):
            check(name, 0 <= getattr(self, name) <= 1, "from 0 to 1", getattr(self, name))
        for name in ("hardest", "smallest"):
            check(name, 0 < getattr(self, name) <= 1, "above 0 and at most 1", getattr(self, name))
        check("falls", self.falls >= 0, "at least 0", self.falls)
        check("bias_lr", 0 <= self.bias_lr < float("inf"), "above 0, or 0 for that of weights", self.bias_lr)
        for name in ("milestones", "first_layer"):
            shares = getattr(self, name)
            inside = list(shares) == sorted(shares) and all(0 <= share < 1 for share in shares)
            check(name, inside, "of rising shares of the run", shares)
        check("first_layer", len(self.first_layer) in (0, 2), "none or two shares", self.first_layer)
        for name in ("bias_lr", "first_layer"):
            if getattr(self, name) and self.optimizer != "sgd":
                raise UsageError(f"{name} is of the optimizer sgd; {self.optimizer} has no such groups")
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("init", RULES),
            ("views", VIEWS),
        ):
            check_one_of(name, getattr(self, name), known)

    @property
    def rates(self) -> Rates:
        """The numbers of its optimizer."""
        return Rates(
            self.lr,
            self.momentum,
            self.weight_decay,
            self.batch,
            self.nesterov,
            self.bias_lr,
            self.first_layer,
        )

    def rate(self, progress: float) -> float:
        """The learning rate at a progress of the run, 0 to 1, as a share of its peak."""
        course = Course(self.warm_up, self.milestones, self.epochs)
        return SCHEDULES[self.schedule](progress, course)

    def rates_apart(self, progress: float, fallen: float = 1.0) -> dict[str, float]:
        """The learning rates, as shares of their peaks, of groups that have a course of their own.

        `fallen` is the share to which plateaus have brought the rate of weights.
        """
        found = {}
        if self.bias_lr:
            found[BIASES] = 1.0
        if self.first_layer:
            slow, stop = self.first_layer
            share = (1.0 if progress < slow else 0.1) * (progress < stop)
            found |= {FIRST_LAYER: self.rate(progress) * fallen * share, FIRST_BIASES: share}
        return found

    def side(self, progress: float, whole: int) -> int:
        """The side of the images, in pixels, at a progress of the run, 0 to 1; `whole` at its end."""
        return side(progress, whole, self.smallest, self.grown)

    def fitted(self, *, mirror: bool, side: int, images: int) -> Recipe:
        """The recipe adapted to a number of training images and their side in pixels.

        Without `mirror`, where a mirror image may belong to another class, there are no flips and no mirror
        views. Shifts and cutouts, which are written for 32 pixels, are scaled. The batch is small enough for
        20 steps per epoch, but is not reduced below 8.
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


def check_one_of(name: str, value: str, known: Collection[str]) -> None:
    """Raises UsageError: a setting's value is none of those known."""
    if value not in known:
        raise UsageError(f"{name} is one of {', '.join(known)}, not {value!r}{nearest(value, known)}")
