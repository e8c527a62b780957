"""Everything a run needs, made from its config: images in memory or streamed, batches, the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from hubel.data.augment.own import OwnAugmentation
from hubel.data.dataset import DataSet, Images
from hubel.data.feed.bad import Bad, OnBad, UnusableError
from hubel.data.feed.batches import Batches, Feed
from hubel.data.feed.cache import Warn
from hubel.data.feed.open import decoded_or_streamed
from hubel.data.feed.range import range_of
from hubel.data.image.preprocess import Preprocessing
from hubel.data.marks import digest, fingerprint
from hubel.data.sources import open_data
from hubel.device import best_device
from hubel.errors import DataError, NetworkError, UsageError
from hubel.evaluation.metrics import Evaluation, evaluation_batch
from hubel.model.file import Model, load
from hubel.module.network import build
from hubel.module.own import OwnNetwork, Trainable
from hubel.net.algebra import Net
from hubel.net.norms import BatchNorm
from hubel.net.notation import parse
from hubel.net.trace import Step
from hubel.net.volume import Volume
from hubel.training.parts import parts
from hubel.training.run.diagnose import imbalanced, in_both, not_held_out
from hubel.training.run.finetune import Start, train_head
from hubel.training.run.whiten import whiten
from hubel.training.settings.config import NONE, Config
from hubel.training.settings.own import Own
from hubel.training.settings.recipe import Recipe
from hubel.training.step.loss import class_weights
from hubel.training.trainer import Trainer
from hubel.world import ALONE, World

Progress = Callable[[int], None]
"""Called with the number of images read so far."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run may be given besides its config, so that nothing is opened, parsed or made twice.

    `data`: the set with its validation split. `network`: the network or module. Without them those of the
    config are opened and parsed. `own`: the user's own loss, optimizer and augmentation. `kept`: the best
    model of a run that resumes; its preprocessing is used as it is, and the starting model is not needed.
    `world`: the processes that train together.
    """

    data: DataSet | None = None
    network: Net | OwnNetwork | None = None
    own: Own = field(default_factory=Own)
    kept: Model | None = None
    world: World = ALONE


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run's data and network, ready to train.

    `start`: the starting model, None if the weights are random. `weights`: the class weights of the loss,
    None if every image counts the same. `skipped`: the unreadable images, which are left out. `fingerprint`:
    that of the training images, the skipped ones included. `pixels`: the digest of every image's pixels and
    label, those held out included; empty for a stream. `seen`: the marks of the training images and of those
    of the starting model; None for a stream, which is not read to make them. The processes of `world` share
    the training batches.
    """

    data: DataSet
    preprocessing: Preprocessing
    train: Batches
    val: Batches
    network: Trainable
    start: Start | None
    weights: torch.Tensor | None
    skipped: tuple[Bad, ...]
    fingerprint: str
    pixels: str
    seen: frozenset[bytes] | None
    own: Own
    world: World = ALONE

    def trainer(self, config: Config) -> Trainer:
        """A trainer for a config, before its first step."""
        return Trainer.of(self.network, config, self.train, self.weights, self.own, world=self.world)

    def load(self, path: Path) -> Model:
        """A model of this run from its file; the weights of a user's own module go into a copy of it."""
        return load(path, self.network.spare())

    def train_head(self) -> Evaluation | None:
        """Trains a pretrained network's new head and evaluates the result; None if the head is not new."""
        if not self.start or not self.start.loaded.head:
            return None
        return train_head(self.network, self.train, self.val, self.weights)

    def model(self, network: Trainable, summary: dict[str, Any], views: str) -> Model:
        """A network of this run with everything needed to use it."""
        return Model(
            network,
            self.data.classes,
            self.preprocessing,
            summary,
            views=views,
            seen=self.seen,
        )


def prepare(
    config: Config,
    inputs: Inputs | None = None,
    progress: Progress | None = None,
    warn: Warn | None = None,
) -> Prepared:
    """Reads the data and builds the network, on the best device available; together.

    `progress` is called with the number of images read so far, `warn` with warnings.

    Raises DataError, NetworkError, UsageError, ModelError: the data, the network, the config or the
    starting model cannot be used.
    """
    inputs, warn = inputs or Inputs(), warn or (lambda _text: None)
    for warning in inputs.own.check(config.own):
        warn(warning)
    data = inputs.data or open_data(config.data, val=config.val, seed=config.seed)
    if inputs.kept:
        check_same_classes(inputs.kept.classes, data)
    network = _network(config, inputs.network)
    check_classes(network, data)
    start = Start.at(config.start, network, data.classes) if config.start and not inputs.kept else None
    if inputs.kept:
        preprocessing = inputs.kept.preprocessing
    else:
        preprocessing = _preprocessing(config, network, start, data.train)
    world = inputs.world
    with world.one_first():
        images, validation = _decoded(data, preprocessing, config.on_bad, progress, warn)
    mark = fingerprint(data.train)
    _check_same_images(data, mark, world)
    check_left(images, data)
    marks = images.marks()
    seen, new = marks or [], validation.marks() or []
    for problem in (
        not_held_out(validation.labels, data.classes),
        in_both(seen, new),
        start.knows(new) if start else None,
        imbalanced(images.labels, data.classes) if config.balance == NONE else None,
    ):
        if problem:
            warn(problem)
    if not start and not inputs.kept:
        preprocessing = preprocessing.measured(images.sample())
    train = _training_batches(config, inputs.own, images, preprocessing, len(data.classes))
    if world.size > 1:
        train = replace(train, world=world)
    size = evaluation_batch(validation.shape[:2], best_device())
    val = validation.batches(preprocessing, size, device=best_device())
    if config.recipe.whiten and not config.start and network.notation:
        whiten(network, train.first()[0])
    device = best_device()
    network.to(device)
    return Prepared(
        data=data,
        preprocessing=preprocessing,
        train=train,
        val=val,
        network=network,
        start=start,
        weights=_weights(config, images, data).to(device) if config.balance == "loss" else None,
        skipped=(*images.skipped, *validation.skipped),
        fingerprint=mark,
        pixels=digest([*seen, *new], [*images.labels, *validation.labels]) if seen and new else "",
        seen=None if marks is None else frozenset(marks) | _seen_before(start, inputs.kept),
        own=inputs.own,
        world=world,
    )


def _check_same_images(data: DataSet, mark: str, world: World) -> None:
    """Raises DataError: this process finds other training images than the first; together."""
    if world.first(mark) != mark:
        raise DataError(
            f"{data.name}: process {world.rank} finds other training images there than process 0; every "
            "machine needs the same images at the same place"
        )


def _seen_before(start: Start | None, kept: Model | None) -> frozenset[bytes]:
    """The marks of the images that the starting model, or the run so far, was trained on."""
    if start is not None:
        return start.seen
    return (kept.seen if kept is not None else None) or frozenset()


def _weights(config: Config, images: Feed, data: DataSet) -> torch.Tensor:
    """The weights of the classes. Raises UsageError: the loss is the user's own, which takes none."""
    if config.own_loss:
        raise UsageError(
            "--balance loss weighs the classes in hubel's cross-entropy; a loss of your own takes no "
            "weights: weigh them there, or use --balance sampler"
        )
    return class_weights(torch.from_numpy(images.labels), len(data.classes))


def _training_batches(
    config: Config, own: Own, images: Feed, preprocessing: Preprocessing, classes: int
) -> Batches:
    """The training batches, on the best device available."""
    return images.batches(
        preprocessing,
        config.recipe.batch,
        shuffle=True,
        augmentation=OwnAugmentation(own.augmentation) if own.augmentation else config.recipe.augmentation,
        seed=config.draws,
        device=best_device(),
        balanced=config.balance == "sampler",
        repeat=config.recipe.repeat,
        classes=classes,
    )


def _decoded(
    data: DataSet,
    preprocessing: Preprocessing,
    on_bad: OnBad,
    progress: Progress | None,
    warn: Warn,
) -> tuple[Feed, Feed]:
    """The training and the validation images.

    Raises UnusableError: there are unreadable images; it lists those of both splits. With `skip`: all images
    of a split are unreadable.
    """
    assert data.val is not None, "a share above 0 is held out"
    found: list[Feed] = []
    bad: list[Bad] = []
    for images, reporting, warned in ((data.train, progress, warn), (data.val, None, None)):
        try:
            found.append(decoded_or_streamed(images, preprocessing, reporting, on_bad, warned))
        except UnusableError as error:
            if on_bad == "skip":
                raise
            bad += error.bad
    if bad:
        raise UnusableError(bad, len(data.train) + len(data.val))
    train, val = found
    return train, val


def check_left(images: Feed, data: DataSet) -> None:
    """Raises DataError: a class has no training image left once the unreadable ones are left out."""
    missing = [name for place, name in enumerate(data.classes) if place not in images.labels]
    if missing:
        raise DataError(
            f"{data.name}: none of the training images of {', '.join(missing)} can be read; repair them, or "
            "remove the folder or the lines"
        )


def check_same_classes(before: Sequence[str], data: DataSet) -> None:
    """Raises DataError: a run resumes on data of other classes than it began with."""
    if data.classes == tuple(before):
        return
    added, gone = sorted(set(data.classes) - set(before)), sorted(set(before) - set(data.classes))
    changes = [f"{', '.join(names)} {what}" for names, what in ((added, "added"), (gone, "missing")) if names]
    raise DataError(
        f"{data.name}: the classes have changed since this run started: "
        f"{'; '.join(changes) or 'their order'}. Restore them to resume, or start a new run from its model, "
        "which gets a head for the new classes: hubel train DATA --from RUN"
    )


def check_classes(network: Trainable, data: DataSet) -> None:
    """Raises NetworkError: the network's output is not one score per class of the data."""
    if network.output != Volume(1, 1, len(data.classes)):
        remedy = f"with fc({len(data.classes)})" if network.notation else "as many scores as classes"
        raise NetworkError(
            f"the network ends in {network.output}, but {data.name} has {len(data.classes)} classes; "
            f"let it end in 1x1x{len(data.classes)}, {remedy}"
        )


def _preprocessing(config: Config, network: Trainable, start: Start | None, images: Images) -> Preprocessing:
    """The preprocessing of the starting model, except for what the config asks for and the images' range."""
    if start is None:
        found = Preprocessing.of(network.volume, fit=config.fit or "crop")
    else:
        found = start.preprocessing.fitting(config.fit or None)
    return replace(found, range=range_of(config.range, images) or found.range)


def _seen_first(network: Trainable, recipe: Recipe) -> tuple[Step, ...]:
    """The network's steps on the first images, which may be smaller than its input.

    Raises NetworkError: smaller ones do not fit.
    """
    if recipe.smallest == 1:
        return network.steps
    height, width, depth = network.volume
    scale = recipe.side(0.0, min(height, width)) / min(height, width)
    small = Volume(round(height * scale), round(width * scale), depth)
    try:
        return network.steps_at(small)
    except NetworkError as error:
        raise NetworkError(
            f"the recipe begins with images of {small}, which this network does not take: {error}; "
            "keep the size of images with --set smallest=1"
        ) from None


def _network(config: Config, given: Net | OwnNetwork | None) -> Trainable:
    """The network, with its initial weights.

    Raises NetworkError: it cannot learn from batches of this size, or images of the first size.
    Raises UsageError: `freeze` names no part of it.
    """
    recipe = config.recipe
    network: Trainable
    if isinstance(given, OwnNetwork):
        network = given
    else:
        assert given is not None or not config.is_own, "a module of the user's own is handed over"
        net = given or parse(config.net)
        network = build(net, Volume.of(config.input), init=recipe.init, seed=config.draws, scores=True)
    normed = [step for step in _seen_first(network, recipe) if isinstance(step.layer, BatchNorm)]
    alone = [step.path for step in normed if step.output.plane == (1, 1)]
    if recipe.batch == 1 and alone and not (config.start and recipe.fixed_statistics):
        raise NetworkError(f"{alone[0]} has one value per map to normalise with --batch 1; take 2 or more")
    if recipe.views == "mirror-shift" and min(network.volume.plane) < 2:
        raise NetworkError("the recipe's views, mirror-shift, need images of at least 2 pixels a side")
    parts(network.root, config.freeze)
    return network
