"""The recipes by name: hubel's own and those of the papers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hubel.data.augment.policy import Augmentation
from hubel.errors import UsageError, nearest
from hubel.training.settings.recipe import Recipe
from hubel.training.settings.toml import from_table, read_toml

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
"""After Jordan's CIFAR-10 speed record, 2024; images grow, and pass through in smaller batches."""


RECIPES: dict[str, Recipe] = {
    "standard": Recipe(augmentation=Augmentation(flip="random", shift=2)),
    "fast": _FAST,
    # The same for few epochs, where the hard half of the images teaches more than all; in more of them it
    # is learned by heart. Flips alternate by epochs, whichever images these have.
    "fast_short": replace(_FAST, epochs=23, hardest=0.5),
    # The same for so many epochs that the images are learned by heart otherwise: of half of them a network
    # learned less than of all, of seven tenths as much.
    "fast_long": replace(
        _FAST,
        epochs=40,
        hardest=0.7,
        augmentation=Augmentation(flip="alternating", shift=3, cutout=8),
    ),
    # What a trained model is fitted to new images with, after its head. With the statistics of batches it
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
    # LeCun et al. 1998, section III.B: 20 passes over single images; their second-order rates aside.
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
    # He et al. 2015, section 4.2: CIFAR-10; 64,000 steps of 128 are 182 epochs of 45,000 images.
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
