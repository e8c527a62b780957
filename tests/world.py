"""The small files that the documentation's commands work on, and two finished runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = {"cat": (200, 120, 40), "dog": (60, 60, 200), "fox": (220, 60, 60)}
"""The classes of `photos`, and the colour about which the images of each vary."""

MODEL = '''"""A network of one's own."""

from torch import nn


def make_model(classes: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)
    )
'''


def make_world(folder: Path, hubel: Callable[[str], str]) -> Path:
    """Fills a folder: `photos`, `more-photos`, `inbox` and its shard, single files, a module, and the runs.

    `files.txt` lists two of the single files. Returns the folder.
    """
    noise = np.random.default_rng(0)
    for place, count in (("photos", 12), ("more-photos", 4)):
        for name, colour in CLASSES.items():
            (folder / place / name).mkdir(parents=True)
            for number in range(count):
                _image(noise, colour).save(folder / place / name / f"{number:03}.jpg")
    (folder / "inbox").mkdir()
    for name, colour in CLASSES.items():
        _image(noise, colour).save(folder / f"{name}.jpg")
        _image(noise, colour).save(folder / "inbox" / f"{name}.jpg")
    _image(noise, CLASSES["cat"]).save(folder / "holiday.jpg")
    images = Path(__file__).parent.parent / "docs" / "images"
    shutil.copytree(images, folder / "docs" / "images")
    with tarfile.open(folder / "inbox.tar", "w") as shard:
        shard.add(folder / "inbox", "inbox")
    (folder / "files.txt").write_text("cat.jpg\ndog.jpg\n", encoding="utf-8")
    (folder / "model.py").write_text(MODEL, encoding="utf-8")
    with contextlib.chdir(folder):
        hubel("hubel train photos --net fast_tiny --epochs 3 --keep-epochs --out runs/photos")
        hubel("hubel train digits --net lenet5 --epochs 1 --out runs/digits")
    assert os.environ.get("HUBEL_CACHE")  # the test session's own
    return folder


def _image(noise: np.random.Generator, colour: tuple[int, int, int]) -> Image.Image:
    """A photograph of 48x40 pixels: stripes about a colour."""
    rows = np.sin(np.arange(40) / 3)[:, None, None] * 30
    pixels = np.array(colour) + rows + noise.normal(0, 20, (40, 48, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
