"""How to train: a recipe is one frozen value, those of the papers among them by name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from hubel.data.augment import Augmentation
from hubel.errors import UsageError, nearest
from hubel.module.initialise import RULES
from hubel.module.views import VIEWS
from hubel.train.optimizer import OPTIMIZERS
from hubel.train.schedule import SCHEDULES
from hubel.train.settings import from_table, read_toml

WRITTEN_FOR = 32
"""The side in pixels that shifts and cutouts of the recipes below are written for."""

STEPS = 20
"""The fewest steps an epoch should have: small sets get smaller batches."""

SMALLEST_BATCH = 8
"""The smallest that batches get so: of fewer pictures a gradient is mostly noise."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained, whatever the network and the data.

    `lr` is the peak of the schedule, for `batch` pictures a step. `warm_up` is the share of the run in
    which it rises, `milestones` the shares at which a schedule of steps divides it by 10. `clip` is the
    largest norm of the gradient, 0 for none. `average` is the decay a step of the moving average of the
    weights that is kept as the model, 0 for none. `whiten` gives the first convolution of a network that
    starts anew, for good, filters that whiten the training pictures. `hardest` is the share of the pictures
    that an epoch after the first sees: those whose loss was highest when they were last seen (`Hardest`).
    `fixed_statistics` keeps the batch normalisation of a model that the run starts from as it is at
    inference, in place of each batch's own mean and variance. `smallest` is the side, as a share of the
    input's, at which pictures are seen first; it grows to 1 until the share `grown` of the run. `views` is
    how the finished model looks at a picture.

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
            check(name, text in known, f"one of {', '.join(known)}{nearest(text, known)}", repr(text))

    def fitted(self, *, mirror: bool, side: int, pictures: int) -> Recipe:
        """The recipe for so many training pictures of so many pixels a side.

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
        batch = min(self.batch, max(SMALLEST_BATCH, pictures // STEPS))
        return replace(self, augmentation=augmentation, batch=batch, views=self.views if mirror else "one")


def check(name: str, fits: bool, range_: str, value: object) -> None:
    """Raises UsageError: a setting's value does not fit."""
    if not fits:
        raise UsageError(f"{name} is {range_}, not {value}")


def recipe(text: str) -> Recipe:
    """A recipe by its name or from its TOML file.

    Raises UsageError: neither, or a file that holds no recipe.
    """
    if text in RECIPES:
        return RECIPES[text]
    if text.endswith(".toml"):
        return from_table(Recipe, read_toml(Path(text)), text)
    raise UsageError(
        f"there is no recipe {text!r}{nearest(text, RECIPES)}; choose {', '.join(RECIPES)}, or a .toml file"
    )


_FAST = Recipe(
    epochs=12,
    batch=512,
    optimizer="muon",
    lr=0.24,
    schedule="triangle",
    warm_up=0.0,
    momentum=0.6,
    weight_decay=1e-3,
    label_smoothing=0.2,
    clip=0.0,
    init="identity",
    whiten=True,
    smallest=0.5,
    grown=0.6,
    views="mirror-shift",
    augmentation=Augmentation(flip="alternating", shift=2),
)
"""After Jordan's CIFAR-10 speed record, 2024; pictures grow, and pass through in smaller batches."""

RECIPES: dict[str, Recipe] = {
    "standard": Recipe(augmentation=Augmentation(flip="random", shift=2)),
    "fast": _FAST,
    # The same for few epochs, where the hard half of the pictures teaches more than all; in more of them it
    # is learned by heart. Flips alternate by epochs, whichever pictures these have.
    "fast_short": replace(_FAST, epochs=23, hardest=0.5),
    # The same for so many epochs that the pictures are learned by heart otherwise: of half of them a network
    # learned less than of all, of seven tenths as much.
    "fast_long": replace(
        _FAST,
        epochs=40,
        hardest=0.7,
        augmentation=Augmentation(flip="alternating", shift=3, cutout=8),
    ),
    # What a trained model is fitted to new pictures with, after its head. With the statistics of batches it
    # would be another network than that its head was fitted to, and unlearn: from 74 % right to 40 %.
    "finetune": Recipe(
        epochs=6,
        batch=32,
        lr=0.01,
        warm_up=0.1,
        weight_decay=1e-4,
        average=0.99,
        fixed_statistics=True,
        augmentation=Augmentation(flip="random", crop=0.35),
    ),
    # LeCun et al. 1998, section III.B: 20 passes over single pictures; their second-order rates aside.
    "lenet": Recipe(
        epochs=20,
        batch=1,
        lr=0.0005,
        schedule="steps",
        milestones=(0.4, 0.7),
        momentum=0.0,
        weight_decay=0.0,
        label_smoothing=0.0,
        clip=0.0,
        init="lecun",
    ),
    # Krizhevsky et al. 2012, sections 4.1 and 5; the rate fell when the error stood still, here at shares.
    "alexnet": Recipe(
        epochs=90,
        batch=128,
        lr=0.01,
        schedule="steps",
        milestones=(0.25, 0.5, 0.75),
        label_smoothing=0.0,
        clip=0.0,
        init="alexnet",
        augmentation=Augmentation(flip="random", shift=4, pca=0.1),
    ),
    # Zeiler and Fergus 2013, section 3; as above, and without their bound on the filters' size.
    "zfnet": Recipe(
        epochs=70,
        batch=128,
        lr=0.01,
        schedule="steps",
        milestones=(0.25, 0.5, 0.75),
        label_smoothing=0.0,
        clip=0.0,
        init="gaussian",
        augmentation=Augmentation(flip="random", shift=4),
    ),
    # Simonyan and Zisserman 2014, section 3.1; 74 epochs, the rate fell three times. Glorot's weights,
    # which the authors found to make their pre-training of a shallower network unnecessary.
    "vgg": Recipe(
        epochs=74,
        batch=256,
        lr=0.01,
        schedule="steps",
        milestones=(0.25, 0.5, 0.75),
        label_smoothing=0.0,
        clip=0.0,
        init="glorot",
        augmentation=Augmentation(flip="random", shift=4, jitter=0.1),
    ),
    # Szegedy et al. 2014, section 6: the rate falls by 4 % every 8 epochs, Polyak's average, crops of
    # 8 to 100 % of the area. Batch, rate and decay are of BVLC's published solver; 60 epochs.
    "googlenet": Recipe(
        epochs=60,
        batch=32,
        lr=0.01,
        schedule="decay",
        weight_decay=2e-4,
        label_smoothing=0.0,
        clip=0.0,
        average=0.999,
        init="glorot",
        augmentation=Augmentation(flip="random", crop=0.08, jitter=0.4),
    ),
    # He et al. 2015, section 3.4: ImageNet; at most 600,000 steps of 256 are 120 epochs.
    "resnet": Recipe(
        epochs=120,
        batch=256,
        lr=0.1,
        schedule="steps",
        milestones=(0.3, 0.6, 0.9),
        weight_decay=1e-4,
        label_smoothing=0.0,
        clip=0.0,
        augmentation=Augmentation(flip="random", crop=0.25, pca=0.1),
    ),
    # He et al. 2015, section 4.2: CIFAR-10; 64,000 steps of 128 are 182 epochs of 45,000 pictures.
    "resnet_cifar": Recipe(
        epochs=182,
        batch=128,
        lr=0.1,
        schedule="steps",
        milestones=(0.5, 0.75),
        weight_decay=1e-4,
        label_smoothing=0.0,
        clip=0.0,
        augmentation=Augmentation(flip="random", shift=4),
    ),
}
"""Every recipe by its name: the first five are hubel's, the others the papers'."""
