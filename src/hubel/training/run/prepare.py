"""Everything a run needs, made from its config: data in memory, batches, the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from hubel.data.dataset import DataSet
from hubel.data.feed.batches import Batches
from hubel.data.feed.cache import Warn
from hubel.data.feed.decoded import Bad, Decoded, OnBad, UnusableError
from hubel.data.feed.stream import Streamed, batches_of, decoded_or_streamed, to_measure
from hubel.data.image.preprocess import Preprocessing
from hubel.data.marks import fingerprint, marks, read, written
from hubel.data.sources import open_data
from hubel.device import best_device
from hubel.errors import DataError, NetworkError
from hubel.evaluation.metrics import EVALUATION_BATCH, Evaluation
from hubel.model.file import Model
from hubel.module.network import Network, build
from hubel.net.layers import BatchNorm
from hubel.net.ledger import ledger
from hubel.net.notation import parse
from hubel.net.trace import Step, trace
from hubel.net.volume import Volume
from hubel.training.run.diagnose import in_both, not_held_out
from hubel.training.run.finetune import Start, train_head
from hubel.training.run.whiten import whiten
from hubel.training.settings.config import Config
from hubel.training.settings.recipe import Recipe
from hubel.training.step.loss import class_weights
from hubel.training.step.schedule import side
from hubel.training.trainer import parts


@dataclass(frozen=True, slots=True)
class Setting:
    """A run's data and network, ready to train.

    `start` says what became of the weights the run starts from, None where it starts anew. `weights`
    weigh the classes in the loss, None where they count by their images. `skipped` are images that
    could not be read and were left out. `fingerprint` is that of the training images, these among them;
    `seen` are their marks, and of those that the model was trained on that the run starts from, as a text;
    None of a stream, which is not read for them.
    """

    data: DataSet
    preprocessing: Preprocessing
    train: Batches
    val: Batches
    network: Network
    start: Start | None
    weights: torch.Tensor | None
    skipped: tuple[Bad, ...]
    fingerprint: str
    seen: str | None

    @classmethod
    def of(
        cls,
        config: Config,
        progress: Callable[[int], None] | None = None,
        warn: Warn | None = None,
        kept: Model | None = None,
    ) -> Setting:
        """Reads the data into memory and builds the network, on the best device there is.

        `progress` is called with the number of images read so far, `warn` with what should be known.
        `kept` is the best model of a run that goes on: its preprocessing is not measured again, and no
        weights are taken from the model the run started from, since its own will be brought back.

        Raises DataError, NetworkError, UsageError, ModelError: the data, the network, the config or the
        model to start from cannot be used.
        """
        data = open_data(config.data, val=config.val, seed=config.seed)
        assert data.val is not None, "a share above 0 is held out"
        network = _network(config)
        check_classes(network, data)
        device = best_device()
        start = Start.at(config.start, network, data.classes) if config.start and not kept else None
        preprocessing = kept.preprocessing if kept else _preprocessing(config, network, start)
        recipe = config.recipe
        images, held_out = _decoded(data, preprocessing, config.on_bad, progress, warn)
        check_left(images, data)
        seen, new = _marks(images), _marks(held_out)
        known = start.knows(new) if start else None
        for told in (not_held_out(held_out.labels, data.classes), in_both(seen, new), known):
            if warn and told:
                warn(told)
        if not start and not kept:
            preprocessing = preprocessing.measured(to_measure(images))
        train = batches_of(images)(
            images,
            preprocessing,
            recipe.batch,
            shuffle=True,
            augmentation=recipe.augmentation,
            seed=config.seed,
            device=device,
            balanced=config.balance == "sampler",
            classes=len(data.classes),
        )
        val = batches_of(held_out)(held_out, preprocessing, EVALUATION_BATCH, device=device)
        if recipe.whiten and not config.start:
            whiten(network, train.first()[0])
        network.to(device)
        weights = class_weights(torch.from_numpy(images.labels), len(data.classes)).to(device)
        return cls(
            data=data,
            preprocessing=preprocessing,
            train=train,
            val=val,
            network=network,
            start=start,
            weights=weights if config.balance == "loss" else None,
            skipped=(*images.skipped, *held_out.skipped),
            fingerprint=fingerprint(data.train),
            seen=None
            if isinstance(images, Streamed)
            else written([*seen, *(start.seen if start else kept.seen or () if kept else ())]),
        )

    def train_head(self) -> Evaluation | None:
        """Trains a head that starts anew on a trained network, and tells how well it then does."""
        if not self.start or not self.start.loaded.head:
            return None
        return train_head(self.network, self.train, self.val, self.weights)

    def model(self, network: Network, summary: dict[str, Any], views: str) -> Model:
        """A network of this setting with all it takes to use it."""
        seen = None if self.seen is None else read(self.seen)
        return Model(network, self.data.classes, self.preprocessing, summary, views=views, seen=seen)


def _decoded(
    data: DataSet,
    preprocessing: Preprocessing,
    on_bad: OnBad,
    progress: Callable[[int], None] | None,
    warn: Warn | None,
) -> tuple[Decoded, Decoded]:
    """The images to train on and those held out. Raises UnusableError: images of either, together.

    To skip them it is raised where none are left of one of the two.
    """
    assert data.val is not None, "a share above 0 is held out"
    found: list[Decoded] = []
    bad: list[Bad] = []
    among = 0
    for images, told, warned in ((data.train, progress, warn), (data.val, None, None)):
        try:
            found.append(decoded_or_streamed(images, preprocessing, told, on_bad, warned))
        except UnusableError as error:
            if on_bad == "skip":  # and none of them is left
                raise
            bad += error.bad
            among += error.count
    if bad:
        raise UnusableError(bad, among + sum(map(len, found)))
    train, val = found
    return train, val


def _marks(images: Decoded) -> list[bytes]:
    """The marks of images in memory; of a stream, which is not read for them, none."""
    return [] if isinstance(images, Streamed) else marks(images.pixels)


def check_left(images: Decoded, data: DataSet) -> None:
    """Raises DataError: of a class no image is left to train on, when those that are bad are left out."""
    missing = [name for place, name in enumerate(data.classes) if place not in images.labels]
    if missing:
        raise DataError(
            f"{data.name}: none of the training images of {', '.join(missing)} can be used; mend them, or "
            "take the folder or the lines out"
        )


def check_classes(network: Network, data: DataSet) -> None:
    """Raises NetworkError: the network's output is not one score for each class of the data."""
    if network.output != Volume(1, 1, len(data.classes)):
        raise NetworkError(
            f"the network ends in {network.output}, but {data.name} has {len(data.classes)} classes; "
            f"let it end in 1x1x{len(data.classes)}, with fc({len(data.classes)})"
        )


def _preprocessing(config: Config, network: Network, start: Start | None) -> Preprocessing:
    """How images are seen: as by the model the run starts from, but for what the config says of it."""
    if start is None:
        return Preprocessing.of(network.volume, fit=config.fit or "crop")
    return start.preprocessing.fitting(config.fit or None)


def _seen_first(network: Network, recipe: Recipe) -> tuple[Step, ...]:
    """The network's steps on the images it sees first, which may be smaller than whole.

    Raises NetworkError: smaller ones do not fit.
    """
    height, width, depth = network.volume
    scale = side(recipe, 0.0, min(height, width)) / min(height, width)
    if scale == 1:
        return network.steps
    small = Volume(round(height * scale), round(width * scale), depth)
    try:
        if ledger(network.net, small).totals.params != ledger(network.net, network.volume).totals.params:
            raise NetworkError("it has layers that are made for one size, such as fc")
        return trace(network.net, small)
    except NetworkError as error:
        raise NetworkError(
            f"the recipe shows images as {small} first, which this network does not take: {error}; "
            "let it grow no images, with --set smallest=1"
        ) from None


def _network(config: Config) -> Network:
    """The network, its weights drawn.

    Raises NetworkError: one that cannot learn in batches like these.
    Raises UsageError: `freeze` names no part of it.
    """
    recipe = config.recipe
    network = build(
        parse(config.net), Volume.of(config.input), init=recipe.init, seed=config.seed, scores=True
    )
    normed = [step for step in _seen_first(network, recipe) if isinstance(step.layer, BatchNorm)]
    alone = [step.path for step in normed if step.output.plane == (1, 1)]
    if recipe.batch == 1 and alone and not (config.start and recipe.fixed_statistics):
        raise NetworkError(f"{alone[0]} has one value a map to normalise with --batch 1; take 2 or more")
    if recipe.views == "mirror-shift" and min(network.volume.plane) < 2:
        raise NetworkError("the recipe's views, mirror-shift, are of images of 2 pixels a side or more")
    parts(network, config.freeze)
    return network
