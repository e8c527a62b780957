"""Small runs: their images, configs, batches and trainers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hubel import build, parse
from hubel.data.feed.batches import Batches
from hubel.data.feed.decoded import Decoded
from hubel.data.image.preprocess import Preprocessing
from hubel.training.settings.config import Config
from hubel.training.settings.toml import changed
from hubel.training.trainer import Trainer

NET = "conv(4, 3) >> relu >> dropout >> fc(2)"


def halves(count: int, seed: int) -> Decoded:
    """Images whose class is the brighter half, left or right."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 120, (count, 8, 8, 1)).astype(np.uint8)
    labels = generator.integers(0, 2, count)
    for image, label in zip(images, labels, strict=True):
        image[:, 4 * label : 4 * label + 4] += 100
    return Decoded(images, labels, tuple(f"image {at}" for at in range(count)))


def config(net: str = NET, **changes: Any) -> Config:
    usual = {"epochs": 3, "batch": 16, "precision": "float32"}
    return changed(Config(data="none", net=net, input="8x8x1"), {**usual, **changes})


def batches(asked: Config) -> tuple[Batches, Batches]:
    preprocessing = Preprocessing.of("8x8x1").measured(halves(64, 1).pixels)
    train = halves(64, 1).batches(preprocessing, asked.recipe.batch, shuffle=True, seed=asked.seed)
    return train, halves(40, 2).batches(preprocessing, 32)


def trainer(asked: Config, weights: torch.Tensor | None = None) -> Trainer:
    network = build(parse(asked.net), asked.input, seed=asked.seed)
    return Trainer.of(network, asked, batches(asked)[0], weights)
