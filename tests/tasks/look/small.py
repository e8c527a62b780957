"""A small untrained model and a folder of small images, for the tests of looking inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from hubel import build, conv, fc, maxpool, relu
from hubel.data.image.preprocess import Preprocessing
from hubel.model.file import Model

NET = conv(4, 3) >> relu >> maxpool(2) >> conv(5, 3) >> relu >> fc(2)
CLASSES = ("cat", "dog")


def small_model(seed: int = 1) -> Model:
    """A model of 10x10 colour images."""
    return Model(build(NET, "10x10x3", seed=seed), CLASSES, Preprocessing.of("10x10x3"))


def saved_model(path: Path, seed: int = 1) -> Path:
    """The same in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small_model(seed).save(path)
    return path


def image_folder(path: Path, each: int = 6) -> Path:
    """A folder of two classes of random images, which are of another size than the network's input."""
    generator = np.random.default_rng(0)
    for name in CLASSES:
        (path / name).mkdir(parents=True)
        for number in range(each):
            pixels = generator.integers(0, 256, (12, 11, 3), np.uint8)
            Image.fromarray(pixels).save(path / name / f"{number}.png")
    return path
