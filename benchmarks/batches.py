"""Training batches of 32x32: hubel's, decoded once, against a DataLoader that decodes and varies each anew.

Both shift by up to 4 pixels, mirror and normalise; the loader's images go through Pillow one by one, in
torchvision's way (RandomCrop(32, padding=4), RandomHorizontalFlip, ToTensor, Normalize), in the process
itself and in 2 workers that stay. The three take turns; torch has one thread. Prints medians of images a
second over whole epochs, their ratios, and what decoding once takes.

    python benchmarks/batches.py [FOLDER] [IMAGES] [ROUNDS]

Of FOLDER the first IMAGES images are taken; without, or with `-`, JPEG files are made.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from hubel.data.augment.policy import Augmentation
from hubel.data.dataset import FileImages
from hubel.data.feed.decoded import decode
from hubel.data.image.preprocess import Preprocessing
from hubel.process import keep_memory

Epochs: TypeAlias = Callable[[], Iterable[Sequence[torch.Tensor]]]

SIDE, BY, BATCHES = 32, 4, (128, 512)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
PREPROCESSING = Preprocessing(SIDE, SIDE, 3, MEAN, STD)


class Varied(Dataset[tuple[torch.Tensor, int]]):
    """An image at a time, as a tutorial has it."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.mean, self.std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGB")
        padded = ImageOps.expand(image, BY)
        top, left = (int(torch.randint(2 * BY + 1, ())) for _ in range(2))
        image = padded.crop((left, top, left + SIDE, top + SIDE))
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        values = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
        return values.sub_(self.mean).div_(self.std), 0


def make(folder: Path, count: int) -> None:
    """Fills a folder with JPEG files about as detailed as photographs of this size."""
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number:05}.jpg", quality=75)


def rate(epoch: Epochs) -> float:
    """Images a second of one epoch, from asking for it to its last batch."""
    began = time.perf_counter()
    images = sum(len(batch[0]) for batch in epoch())
    return images / (time.perf_counter() - began)


def loader(paths: Sequence[Path], batch: int, workers: int) -> Epochs:
    """Epochs of a DataLoader."""
    made = DataLoader(Varied(paths), batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return lambda: made


def main(folder: Path, count: int, rounds: int) -> None:
    """Runs all in turns and prints what came out."""
    torch.set_num_threads(1)
    keep_memory()  # as a training run does
    paths = tuple(sorted(path for path in folder.rglob("*") if path.suffix in {".jpg", ".jpeg"}))[:count]
    images = FileImages(np.zeros(len(paths), np.int64), paths)
    began = time.perf_counter()
    decoded = decode(images, PREPROCESSING)
    result: dict[str, object] = {
        "images": len(paths),
        "decode_seconds": round(time.perf_counter() - began, 2),
    }
    for batch in BATCHES:
        batches = decoded.batches(
            PREPROCESSING, batch, shuffle=True, augmentation=Augmentation("random", shift=BY)
        )
        ways: dict[str, Epochs] = {
            "hubel": partial(batches.epoch, 0),
            "loader": loader(paths, batch, 0),
            "loader_2_workers": loader(paths, batch, 2),
        }
        for epoch in ways.values():
            rate(epoch)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, epoch in ways.items():
                rates[name].append(rate(epoch))
        medians = {name: statistics.median(found) for name, found in rates.items()}
        result[f"batch_{batch}"] = {
            **{f"{name}_images_a_second": round(found) for name, found in medians.items()},
            "times_the_loader": round(medians["hubel"] / medians["loader"], 1),
            "times_the_loader_with_2_workers": round(medians["hubel"] / medians["loader_2_workers"], 1),
        }
    result |= {
        "rounds": rounds,
        "versions": {name: version(name) for name in ("torch", "pillow")},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    images = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    with tempfile.TemporaryDirectory() as made:
        given = Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] != "-" else None
        if given is None:
            make(Path(made), images)
        main(given or Path(made), images, rounds)
