"""Two of the papers' procedures at work: ResNet-20's first epochs, and all parts of AlexNet's procedure.

ResNet-20 trains on CIFAR-10 by `--recipe resnet_cifar`, and by a loop of PyTorch's own convolutions and
optimizer with the constants of the paper (He et al. 2015, section 4.2), for the first epochs of its 64,000
steps. Prints the mean training loss of each epoch and the validation accuracy after it, of both.

AlexNet's code of 2012 trains by `--recipe alexnet` on 200 classes of 20 images each, an ensemble of two, and
is tested by ten crops. The classes are parts of CIFAR-10's, the images enlarged to 256x256: what matters is
that nothing fails. Prints the losses, the images per second, the most memory and the accuracy.

    python benchmarks/papers.py CIFAR [--epochs 4] [--only resnet|alexnet]

CIFAR is a folder with train/CLASS/* and test/CLASS/* of images of 32x32.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Tensor, nn

from hubel import build, zoo
from hubel.data.feed.decoded import decode
from hubel.data.image.preprocess import Preprocessing
from hubel.data.sources import open_data

HUBEL = str(Path(sys.executable).with_name("hubel"))
HELD_OUT, BATCH, SHIFT = 0.1, 128, 4
PARTS, TRAINED, TESTED, SIDE = 20, 20, 5, 256


def lines_of(run: Path) -> list[dict[str, Any]]:
    """The finished rounds of a run."""
    file = run / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def by_recipe(cifar: Path, epochs: int) -> list[tuple[float, float]]:
    """The first epochs by hubel's command, which is then asked to stop: loss and validation accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        train = [HUBEL, "train", str(cifar), "--out", str(run), "--net", "resnet20"]
        train += ["--recipe", "resnet_cifar", "--val", str(HELD_OUT)]
        with subprocess.Popen(train, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and len(lines_of(run)) < epochs:
                time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
        found = [(line["train_loss"], line["val_top1"]) for line in lines_of(run)[:epochs]]
    if len(found) < epochs:
        sys.exit(f"{' '.join(train)} ended after {len(found)} epochs")
    return found


class Images:
    """CIFAR-10 in memory, nearly as the paper prepares it.

    A batch has one shift. Values are less their channel's mean, and divided by 64, about their deviation.
    """

    def __init__(self, cifar: Path) -> None:
        data = open_data(str(cifar), val=HELD_OUT, seed=0)
        assert data.val is not None, "some images are held out"
        plain = Preprocessing(32, 32, 3, (0.0,) * 3, (1.0,) * 3)
        self.train, self.val = (self._read(split, plain) for split in (data.train, data.val))
        self.mean = self.train[0].float().mean((0, 2, 3), keepdim=True)

    @staticmethod
    def _read(images: Any, plain: Preprocessing) -> tuple[Tensor, Tensor]:
        found = decode(images, plain)
        return torch.from_numpy(found.pixels).permute(0, 3, 1, 2), torch.from_numpy(found.labels)

    def seen(self, images: Tensor) -> Tensor:
        """As the network sees them."""
        return ((images.float() - self.mean) / 64).to(memory_format=torch.channels_last)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch."""
        images, labels = self.train
        for places in torch.split(torch.randperm(len(labels)), BATCH):
            padded = F.pad(images[places], [SHIFT] * 4)
            down, across = torch.randint(2 * SHIFT + 1, (2,)).tolist()
            shifted = padded[:, :, down : down + 32, across : across + 32]
            mirrored = torch.rand(len(places), 1, 1, 1) < 0.5
            yield self.seen(torch.where(mirrored, shifted.flip(3), shifted)), labels[places]


def by_hand(cifar: Path, epochs: int) -> Iterator[tuple[float, float]]:
    """The first epochs by PyTorch's own parts: loss and validation accuracy."""
    torch.manual_seed(0)
    images = Images(cifar)
    network = build(zoo.resnet20(10), "32x32x3", scores=True).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            part.__class__ = nn.Conv2d  # PyTorch's way of it alone
            nn.init.kaiming_normal_(part.weight)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    for _ in range(epochs):
        total = 0.0
        network.train()
        for seen, labels in images.epoch():
            loss = F.cross_entropy(network(seen), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(labels)
        network.eval()
        with torch.no_grad():
            scores = torch.cat([network(images.seen(part)) for part in torch.split(images.val[0], 500)])
        yield total / len(images.train[1]), (scores.argmax(1) == images.val[1]).float().mean().item()


def like_imagenet(cifar: Path, folder: Path) -> None:
    """Fills a folder with 200 classes of large images."""
    for kind in sorted(path.name for path in (cifar / "train").iterdir()):
        for split, count in (("train", TRAINED), ("test", TESTED)):
            files = iter(sorted((cifar / split / kind).iterdir()))
            for part in range(PARTS):
                place = folder / split / f"{kind}{part:02}"
                place.mkdir(parents=True)
                for path in islice(files, count):
                    with Image.open(path) as image:
                        image.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(place / path.name)


def alexnet(cifar: Path, epochs: int) -> dict[str, Any]:
    """AlexNet's procedure from the command to the test by ten crops."""
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder, "data"), Path(folder, "run")
        like_imagenet(cifar, data)
        train = [HUBEL, "train", str(data), "--out", str(run), "--net", "alexnet_2012_code"]
        train += ["--recipe", "alexnet", "--epochs", str(epochs), "--ensemble", "2"]
        subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        test = [HUBEL, "val", str(run), str(data), "--protocol", "ten-crop", "--json"]
        out = subprocess.run(test, check=True, stdout=subprocess.PIPE).stdout
        images = round(10 * PARTS * TRAINED * 0.8)  # a fifth is held out
        members = [lines_of(file.parent) for file in sorted(run.glob("*/metrics.jsonl"))]
    return {
        "losses": [[round(line["train_loss"], 3) for line in lines] for lines in members],
        "images_per_second": [round(epochs * images / lines[-1]["seconds"], 1) for lines in members],
        "most_memory_mib": memory >> 10,
        "ten_crop_top1": json.loads(out)["top1"],
    }


def main(given: argparse.Namespace) -> None:
    """Prints what came out, a line each."""
    if given.only != "resnet":  # first, since the most memory is that of all processes so far
        print(json.dumps({"alexnet": alexnet(given.cifar, given.epochs)}), flush=True)
    if given.only != "alexnet":
        print(json.dumps({"resnet_cifar": by_recipe(given.cifar, given.epochs)}), flush=True)
        print(json.dumps({"by_hand": list(by_hand(given.cifar, given.epochs))}), flush=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps({"torch": version("torch"), "machine": machine}))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("cifar", type=Path)
    arguments.add_argument("--epochs", type=int, default=4)
    arguments.add_argument("--only", choices=("resnet", "alexnet"))
    main(arguments.parse_args())
