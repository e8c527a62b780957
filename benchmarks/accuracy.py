"""Accuracy in a time: hubel's command against what tutorials do, each given the same seconds.

hubel's time runs from the start of its command to the end, with nothing cached; a peer trains for nearly all
of the time and is tested after it, for nothing. Each has the machine to itself, one after the other, once for
each seed. What is measured is the test split, which no one trains or chooses by. hubel's models average the
views of an image that are part of its recipe.

    python benchmarks/accuracy.py DATA SECONDS [--ways hubel tutorial resnet20 keras] [--keras PYTHON]
        [--seeds 0 1 2] [--before HUBEL] [--net NET]

DATA is a folder with train/CLASS/* and test/CLASS/* of images of 32x32, or for `hubel` and `lenet5` any
installed set that hubel knows by name, such as fashion-mnist. `tutorial` is hubel's `fast_small` in the loop
of a tutorial: Adam at one rate, batches of 64 from a DataLoader, float32. `resnet20` has the recipe of its
paper, its rate falling by the clock, `lenet5` is LeNet-5 in the tutorial's loop, and `keras` the small
network of the Keras examples. PYTHON is one that has Keras and TensorFlow. HUBEL is the command of an older
build, which is the way `before`. Seeds are of hubel's runs, NET takes the choice of the network from it, and
the processor's seconds tell what a run got of a busy machine.
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
from typing import Any

LOADED = """
import json, sys, time
began = time.perf_counter()
import numpy as np, torch, torch.nn.functional as F
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset
from hubel import build, parse
from hubel.data.sources import open_data
where, seconds, notation, volume = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4]
data = open_data(where, val=0)
grey = data.depth == 1
class Images(Dataset):
    def __init__(self, images, vary):
        self.images, self.vary = images, vary
    def __len__(self):
        return len(self.images)
    def __getitem__(self, at):
        image = self.images.image(at)
        if self.vary:
            padded = ImageOps.expand(image, 4)
            left, top = (int(torch.randint(9, ())) for _ in range(2))
            image = padded.crop((left, top, left + image.width, top + image.height))
            if data.mirror and torch.rand(()) < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        values = torch.from_numpy(np.array(image)).float().div(255)
        values = values[None] if grey else values.permute(2, 0, 1).contiguous()
        side = int(volume.split("x")[0])
        if values.shape[1] != side:
            values = F.pad(values, [(side - values.shape[1]) // 2] * 4)
        return values.sub_(0.5).div_(0.25), int(self.images.labels[at])
def loader(images, batch, vary):
    return DataLoader(Images(images, vary), batch, shuffle=vary, num_workers=2)
def fit(optimizer, batch, rate):
    peak, seen = optimizer.param_groups[0]["lr"], 0
    while True:
        network.train()
        for images, labels in loader(data.train, batch, True):
            share = (time.perf_counter() - began) / (seconds - spare)
            if share >= 1:
                return seen / len(data.train)
            for group in optimizer.param_groups:
                group["lr"] = peak * rate(share)
            loss = F.cross_entropy(network(images), labels)
            optimizer.zero_grad(); loss.backward(); optimizer.step()
            seen += len(images)
network = build(parse(notation), volume, scores=True)
for part in network.modules():
    if isinstance(part, torch.nn.Conv2d):
        part.__class__ = torch.nn.Conv2d  # PyTorch's way of it alone
spare = 0.02 * seconds
"""
TESTED = """
network.eval()
right = 0
with torch.no_grad():
    for images, labels in loader(data.test, 256, False):
        right += (network(images).argmax(1) == labels).sum().item()
print(json.dumps({"top1": right / len(data.test), "epochs": epochs}))
"""
ADAM = """
epochs = fit(torch.optim.Adam(network.parameters(), 1e-3), 64, lambda share: 1.0)
"""
PAPER = """
optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
epochs = fit(optimizer, 128, lambda share: 1.0 if share < 0.5 else 0.1 if share < 0.75 else 0.01)
"""
KERAS = """
import json, os, sys, time
began = time.perf_counter()
os.environ["KERAS_BACKEND"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "tensorflow", "3"
import keras
from keras import layers
where, seconds = sys.argv[1], float(sys.argv[2])
def images(split, **words):
    return keras.utils.image_dataset_from_directory(
        f"{where}/{split}", image_size=(32, 32), batch_size=128, verbose=False, **words)
class Clock(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if time.perf_counter() - began > 0.97 * seconds:
            self.model.stop_training = True
def block(filters):
    return [layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2), layers.Dropout(0.25)]
network = keras.Sequential([
    keras.Input((32, 32, 3)), layers.Rescaling(1 / 255), layers.RandomFlip("horizontal"),
    *block(32), *block(64), layers.Flatten(), layers.Dense(512, activation="relu"), layers.Dropout(0.5),
    layers.Dense(10, activation="softmax")])
network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = network.fit(images("train"), epochs=10**6, callbacks=[Clock()], verbose=0)
print(json.dumps({"top1": network.evaluate(images("test", shuffle=False), verbose=0)[1],
                  "epochs": len(history.epoch)}))
"""


def ours(where: str, seconds: float, hubel: str, seed: int, net: str | None) -> dict[str, Any]:
    """What `hubel train` makes of it, from a cold cache; `hubel` is the command."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "HUBEL_CACHE": f"{folder}/cache"}
        train = [hubel, "train", where, "--time", f"{seconds:g}s", "--out", f"{folder}/run"]
        train += ["--seed", str(seed), *(["--net", net] if net else [])]
        began, spent = time.perf_counter(), os.times()
        subprocess.run(train, env=environment, check=True, stdout=sys.stderr)
        wall, after = time.perf_counter() - began, os.times()
        val = [hubel, "val", f"{folder}/run/best.safetensors", where, "--json"]
        out = subprocess.run(val, env=environment, check=True, stdout=subprocess.PIPE).stdout
        last = Path(folder, "run", "metrics.jsonl").read_text().splitlines()[-1]
    found = {"top1": json.loads(out)["top1"], "epochs": json.loads(last)["epoch"]}
    cpu = after.children_user + after.children_system - spent.children_user - spent.children_system
    return {**found, "wall_seconds": round(wall, 1), "cpu_seconds": round(cpu, 1)}


def theirs(python: str, code: str, *arguments: str) -> dict[str, Any]:
    """What a peer makes of it."""
    command = [python, "-c", code, *arguments]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def main(given: argparse.Namespace) -> None:
    """Runs each in turn and prints what came out, a line each."""
    from hubel import zoo

    data, seconds = given.data, given.seconds
    nets = {"tutorial": zoo.fast_small(), "resnet20": zoo.resnet20(), "lenet5": zoo.lenet5()}
    hubels = {"hubel": str(Path(sys.executable).with_name("hubel")), "before": given.before}
    runs = [
        (way, seed) for seed in given.seeds for way in given.ways if way in hubels or seed == given.seeds[0]
    ]
    for way, seed in runs:
        arguments = (data, f"{seconds:g}")
        if way in hubels:
            found = {"seed": seed, **ours(data, seconds, hubels[way], seed, given.net)}
        elif way == "keras":
            found = theirs(given.keras, KERAS, *arguments)
        else:
            volume = "32x32x1" if way == "lenet5" else "32x32x3"
            recipe = PAPER if way == "resnet20" else ADAM
            found = theirs(sys.executable, LOADED + recipe + TESTED, *arguments, repr(nets[way]), volume)
        print(json.dumps({"way": way, "seconds": seconds, **found}), flush=True)
    about = {
        "torch": version("torch"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(about))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data")
    arguments.add_argument("seconds", type=float)
    ways = ["hubel", "before", "tutorial", "resnet20", "lenet5", "keras"]
    arguments.add_argument("--ways", nargs="+", choices=ways, default=["hubel", "tutorial", "resnet20"])
    arguments.add_argument("--keras", help="a Python that has Keras and TensorFlow")
    arguments.add_argument("--seeds", nargs="+", type=int, default=[0])
    arguments.add_argument("--before", help="the hubel command of an older build")
    arguments.add_argument("--net", help="the network to train; by default hubel chooses it")
    main(arguments.parse_args())
