"""Finetuning on a few thousand photographs in uneven classes: hubel's command against a loop by hand.

Both start from the trained EfficientNet-Lite0 and have the same seconds. The loop by hand is a good one of
its kind: a new head, everything trained, AdamW with warm-up and a cosine by the clock, random-resized crops
and flips by Pillow in 2 workers, float32. The images are CIFAR-10's, enlarged to 128x128 and stored as JPEG
files: 600 of the first class down to 60 of the last to train, 200 of each to test.

    python benchmarks/finetune.py CIFAR SECONDS [--before HUBEL]

CIFAR is a folder with train/CLASS/* and test/CLASS/*. HUBEL is the command of an older build, which then
takes the place of the loop by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from PIL import Image

MOST, FEWEST, TESTED, SIDE = 600, 60, 200, 128

BY_HAND = """
import json, math, sys, time
began = time.perf_counter()
import numpy as np, torch, torch.nn.functional as F
from pathlib import Path
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from hubel.model.pretrained import pretrained
from hubel.net.head import with_classes
from hubel.module.network import build
folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
model = pretrained("efficientnet_lite0")
take = model.preprocessing
mean, std = (torch.tensor(values).view(3, 1, 1) for values in (take.mean, take.std))
names = sorted(path.name for path in (folder / "train").iterdir())
class Photos(Dataset):
    def __init__(self, split):
        self.vary = split == "train"
        self.files = [(path, label) for label, name in enumerate(names)
                      for path in sorted((folder / split / name).iterdir())]
    def __len__(self):
        return len(self.files)
    def __getitem__(self, at):
        path, label = self.files[at]
        image = Image.open(path).convert("RGB")
        if self.vary:
            share, ratio, left, top, flip = torch.rand(5).tolist()
            area = (0.35 + 0.65 * share) * image.width * image.height
            ratio = math.exp((2 * ratio - 1) * math.log(4 / 3))
            width = min(image.width, math.sqrt(area * ratio))
            height = min(image.height, math.sqrt(area / ratio))
            x, y = left * (image.width - width), top * (image.height - height)
            image = image.resize((224, 224), Image.Resampling.BILINEAR, (x, y, x + width, y + height))
            if flip < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        else:
            image = image.resize((256, 256), Image.Resampling.BICUBIC).crop((16, 16, 240, 240))
        values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)
        return (values - mean) / std, label
network = build(with_classes(model.network.net, len(names)), model.network.volume, scores=True)
state = {name: value for name, value in model.network.state_dict().items() if not name.startswith("fc")}
network.load_state_dict(state, strict=False)
optimizer = torch.optim.AdamW(network.parameters(), 5e-4, weight_decay=0.05)
loader, seen, share = DataLoader(Photos("train"), 32, shuffle=True, num_workers=2, drop_last=True), 0, 0.0
while share < 1:
    network.train()
    for images, labels in loader:
        share = (time.perf_counter() - began) / (0.97 * seconds)
        if share >= 1:
            break
        rate = min(share / 0.05, 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = 5e-4 * rate
        loss = F.cross_entropy(network(images), labels, label_smoothing=0.1)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
        seen += len(images)
network.eval()
right = total = 0
with torch.no_grad():
    for images, labels in DataLoader(Photos("test"), 64, num_workers=2):
        right += (network(images).argmax(1) == labels).sum().item()
        total += len(labels)
print(json.dumps({"top1": right / total, "epochs": round(seen / len(loader.dataset), 2)}))
"""


def make(cifar: Path, folder: Path) -> None:
    """Fills a folder with the images."""
    names = sorted(path.name for path in (cifar / "train").iterdir())
    for number, name in enumerate(names):
        uneven = round(MOST + (FEWEST - MOST) * number / (len(names) - 1))
        for split, count in (("train", uneven), ("test", TESTED)):
            place = folder / split / name
            place.mkdir(parents=True)
            for path in sorted((cifar / split / name).iterdir())[:count]:
                with Image.open(path) as image:
                    large = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                large.save(place / f"{path.stem}.jpg", quality=92)


def trained(hubel: str, photos: Path, folder: Path, seconds: float) -> dict[str, float]:
    """Trains by a build's command with an empty cache; its accuracy on the test split, and its times."""
    run, environment = folder / "run", {**os.environ, "HUBEL_CACHE": str(folder / "cache")}
    began = time.perf_counter()
    train = [hubel, "train", str(photos), "--time", f"{seconds:g}s", "--out", str(run)]
    subprocess.run(train, env=environment, check=True)
    wall = time.perf_counter() - began
    val = [hubel, "val", str(run / "best.safetensors"), str(photos), "--json"]
    out = subprocess.run(val, env=environment, check=True, stdout=subprocess.PIPE).stdout
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    return {"top1": json.loads(out)["top1"], "epochs": last["epoch"], "wall_seconds": round(wall, 1)}


def main(given: argparse.Namespace) -> None:
    """Runs both in turn and prints what came out."""
    with tempfile.TemporaryDirectory() as made:
        photos = Path(made, "photos")
        make(given.cifar, photos)
        found: dict[str, object] = {}
        if given.before:
            found["before"] = trained(given.before, photos, Path(made, "before"), given.seconds)
        hubel = str(Path(sys.executable).with_name("hubel"))
        found["hubel"] = trained(hubel, photos, Path(made, "now"), given.seconds)
        if not given.before:
            by_hand = [sys.executable, "-c", BY_HAND, str(photos), f"{given.seconds:g}"]
            out = subprocess.run(by_hand, check=True, stdout=subprocess.PIPE).stdout
            found["by_hand"] = json.loads(out)
    result = {
        "seconds": given.seconds,
        **found,
        "torch": version("torch"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("cifar", type=Path)
    arguments.add_argument("seconds", type=float)
    arguments.add_argument("--before")
    main(arguments.parse_args())
