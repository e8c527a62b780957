"""Everything a run needs, made from its config: data in memory, batches, the network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hubel.data import Augmentation, Batches, DataSet, Preprocessing, decode, open_data
from hubel.errors import NetworkError
from hubel.module import Network, build
from hubel.net import Volume, parse
from hubel.net.layers import BatchNorm
from hubel.train.config import Config

EVALUATION_BATCH = 256


@dataclass(frozen=True, slots=True)
class Setting:
    """A run's data and network, ready to train."""

    data: DataSet
    preprocessing: Preprocessing
    train: Batches
    val: Batches
    network: Network

    @classmethod
    def of(cls, config: Config, progress: Callable[[int], None] | None = None) -> Setting:
        """Reads the data into memory and builds the network.

        `progress` is called with the number of pictures read so far.

        Raises DataError, NetworkError, UsageError: the data, the network or the config cannot be used.
        """
        data = open_data(config.data, val=config.val, seed=config.seed)
        assert data.val is not None, "a share above 0 is held out"
        volume = Volume.of(config.input)
        network = build(parse(config.net), volume, init=config.init, seed=config.seed, scores=True)
        check_classes(network, data)
        alone = [s.path for s in network.steps if isinstance(s.layer, BatchNorm) and s.output.plane == (1, 1)]
        if config.batch == 1 and alone:
            raise NetworkError(f"{alone[0]} has one value a map to normalise with --batch 1; take 2 or more")
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise NetworkError("the network has nothing to learn: none of its layers has parameters")
        preprocessing = Preprocessing.of(volume)
        pictures = decode(data.train, preprocessing, progress)
        held_out = decode(data.val, preprocessing)
        preprocessing = preprocessing.measured(pictures.images)
        augmentation = Augmentation(config.flip, config.shift)
        return cls(
            data=data,
            preprocessing=preprocessing,
            train=Batches(pictures, preprocessing, config.batch, True, augmentation, config.seed),
            val=Batches(held_out, preprocessing, EVALUATION_BATCH),
            network=network,
        )


def fingerprint(names: Sequence[str]) -> str:
    """A checksum of pictures by their names: what tells whether a split still has the same ones."""
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def check_classes(network: Network, data: DataSet) -> None:
    """Raises NetworkError: the network's output is not one score for each class of the data."""
    if network.output != Volume(1, 1, len(data.classes)):
        raise NetworkError(
            f"the network ends in {network.output}, but {data.name} has {len(data.classes)} classes; "
            f"let it end in 1x1x{len(data.classes)}, with fc({len(data.classes)})"
        )
