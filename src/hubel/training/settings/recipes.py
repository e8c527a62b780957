"""The recipes by name: hubel's own and those of the papers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

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
"""After Jordan's CIFAR-10 speed record, 2024, with growing images and smaller batches."""


def _paper(**settings: Any) -> Recipe:
    """A recipe of a paper: no smoothed labels, no clipped gradients, momentum that is not Nesterov's."""
    return Recipe(**{"label_smoothing": 0.0, "clip": 0.0, "nesterov": False, **settings})


_CODE = "computerhistory/AlexNet-Source-Code, layers-145.cfg and layer-params-145.cfg"
"""Krizhevsky's code of 2012 as the Computer History Museum released it; its comments tell a run's course."""

_EPOCHS_2012 = 91
"""The epoch at which the run of that code was stopped."""

_EPOCHS_PRETRAINED = 54
"""The epoch at which its run was stopped that began with a network trained on all of ImageNet."""


RECIPES: dict[str, Recipe] = {
    "standard": Recipe(augmentation=Augmentation(flip="random", shift=2)),
    "fast": _FAST,
    # For few epochs: the hard half of the images teaches more than all of them. In more epochs the network
    # would memorise that half. Flips alternate by epoch, whichever images it has.
    "fast_short": replace(_FAST, epochs=23, hardest=0.5),
    # For so many epochs that the network would memorise the images: from half of them it learned less than
    # from all, from seven tenths as much.
    "fast_long": replace(
        _FAST,
        epochs=40,
        hardest=0.7,
        augmentation=Augmentation(flip="alternating", shift=3, cutout=8),
    ),
    # Adapts a pretrained model to new images, after its head was trained. With the statistics of each batch
    # it would not be the network that its head was trained on: accuracy fell from 74 % to 40 %.
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
    # LeCun et al. 1998, section III.B: 20 passes over single images, without their second-order rates.
    "lenet": _paper(
        epochs=20,
        batch=1,
        lr=0.0005,
        schedule="lenet",
        momentum=0.0,
        weight_decay=0.0,
        init="lecun",
    ),
    # Krizhevsky et al. 2012, sections 4.1 and 5; the initial weights, the epochs, the rate of biases, that of
    # the first layer and the end of the colour shift are those of `_CODE`.
    "alexnet": _paper(
        epochs=_EPOCHS_2012,
        batch=128,
        lr=0.01,
        schedule="steps",
        milestones=tuple(epoch / _EPOCHS_2012 for epoch in (25, 51, 79)),
        first_layer=(67 / _EPOCHS_2012, 72 / _EPOCHS_2012),
        bias_lr=0.02,
        init="alexnet_code",
        augmentation=Augmentation(flip="random", scales=(256, 256), pca=0.1, pca_epochs=67),
    ),
    # Krizhevsky et al. 2012, section 6: a network trained on all of ImageNet learns that of 2012. The course
    # is that of layer-params-146-2012-2011.cfg, whose first layer slows down after 5 epochs, and stops.
    "alexnet_pretrained": _paper(
        epochs=_EPOCHS_PRETRAINED,
        batch=128,
        lr=0.001,
        schedule="steps",
        milestones=(22 / _EPOCHS_PRETRAINED, 42 / _EPOCHS_PRETRAINED),
        first_layer=(0.0, 7 / _EPOCHS_PRETRAINED),
        bias_lr=0.02,
        init="alexnet_code",
        augmentation=Augmentation(flip="random", scales=(256, 256), pca=0.1, pca_epochs=38),
    ),
    # Zeiler and Fergus 2013, section 3; the rate "when the validation error plateaus".
    "zfnet": _paper(
        epochs=70,
        batch=128,
        lr=0.01,
        schedule="plateau",
        filter_bound=0.1,
        init="gaussian",
        augmentation=Augmentation(flip="random", scales=(256, 256)),
    ),
    # Simonyan and Zisserman 2014, section 3.1: 74 epochs, the rate falls three times, when the validation
    # accuracy stops improving. Glorot's initial weights, which the authors found to make their pre-training
    # of a shallower network unnecessary. The training scale S is 256.
    "vgg": _paper(
        epochs=74,
        batch=256,
        lr=0.01,
        schedule="plateau",
        init="glorot",
        augmentation=Augmentation(flip="random", scales=(256, 256), pca=0.1),
    ),
    # Szegedy et al. 2014, section 6: the rate falls by 4 % every 8 epochs, Polyak's average, crops of
    # 8 to 100 % of the area. Batch, rate and decay are of BVLC's published solver; 60 epochs.
    "googlenet": _paper(
        epochs=60,
        batch=32,
        lr=0.01,
        schedule="decay",
        weight_decay=2e-4,
        average=0.999,
        init="glorot",
        augmentation=Augmentation(flip="random", crop=0.08, jitter=0.4),
    ),
    # He et al. 2015, section 3.4: ImageNet; at most 600,000 steps of 256 are 120 epochs, the rate falls when
    # the error plateaus. Exact statistics: the note on the released models.
    "resnet": _paper(
        epochs=120,
        batch=256,
        lr=0.1,
        schedule="plateau",
        weight_decay=1e-4,
        exact_statistics=True,
        augmentation=Augmentation(flip="random", scales=(256, 480), pca=0.1),
    ),
    # He et al. 2015, section 4.2: CIFAR-10; 64,000 steps of 128 are 182 epochs of 45,000 images.
    "resnet_cifar": _paper(
        epochs=182,
        batch=128,
        lr=0.1,
        schedule="steps",
        milestones=(0.5, 0.75),
        weight_decay=1e-4,
        augmentation=Augmentation(flip="random", shift=4),
    ),
    # The same for ResNet-110: a rate of 0.01 until the training error is below 80 %, "about 400 iterations".
    "resnet110_cifar": _paper(
        epochs=182,
        batch=128,
        lr=0.1,
        schedule="warmed-steps",
        warm_up=400 / 64_000,
        milestones=(0.5, 0.75),
        weight_decay=1e-4,
        augmentation=Augmentation(flip="random", shift=4),
    ),
    # torchvision's newer reference recipe, references/classification of its repository, for ResNet-50. Its
    # average moves every 32 steps by 1 - 0.99998 times 1024 * 32 / 600; here every step, a 32nd as far.
    "modern": _paper(
        epochs=600,
        batch=1024,
        lr=0.5,
        schedule="cycle",
        warm_up=5 / 600,
        weight_decay=2e-5,
        label_smoothing=0.1,
        average=1 - (1 - 0.99998) * 1024 / 600,
        repeat=4,
        smallest=176 / 224,
        augmentation=Augmentation(flip="random", crop=0.08, trivial=True, erase=0.1, mixup=0.2, cutmix=1.0),
    ),
}
"""Every recipe by its name: the first five are hubel's, the others the papers'."""

NETWORKS = {
    "lenet": "lenet5_1998",
    "alexnet": "alexnet_2012_code",
    "alexnet_pretrained": "alexnet_2012_six",
    "zfnet": "zfnet",
    "vgg": "vgg16",
    "googlenet": "googlenet",
    "resnet": "resnet50",
    "resnet_cifar": "resnet20",
    "resnet110_cifar": "resnet110",
    "modern": "resnet50_v1_5",
}
"""The network of each paper's recipe, where none is asked for."""


ENOUGH = 100_000
"""The fewest images on which `modern` is not warned of; ImageNet has 1.28 million."""


def too_few(recipe: object, images: int) -> str | None:
    """A warning where a recipe, by its name, is made for many more images than these."""
    if recipe != "modern" or images >= ENOUGH:
        return None
    made = RECIPES["modern"]
    return (
        f"the recipe modern is made for ImageNet's 1.28 million images: {made.epochs} epochs, a rate "
        f"of {made.lr:g} for batches of {made.batch:,}; with {images:,} images expect little. Leave the "
        "recipe out, or start from a pretrained model: --from"
    )


def recipe_named(text: str) -> Recipe:
    """A recipe by its name or from its TOML file.

    Raises UsageError: neither, or a file that holds no recipe.
    """
    if not isinstance(text, str):
        raise UsageError(f"recipe is a name, a .toml file or a Recipe, not {text!r}")
    if text in RECIPES:
        return RECIPES[text]
    if text.endswith(".toml"):
        return from_table(Recipe, read_toml(Path(text)), text)
    raise UsageError(
        f"there is no recipe {text!r}{nearest(text, RECIPES)}; choose {', '.join(RECIPES)}, or a .toml file"
    )
