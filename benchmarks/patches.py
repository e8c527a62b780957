"""The nine patches that drive every map of a network most: one streaming pass against storing all.

The brute-force way keeps every activation, then sorts; its memory grows with the images, so that it may be
given fewer of them. Both see the same images and the same layers, all activations and the scores; each is a
fresh process, and where both see as many they take turns. Prints medians of the seconds of the pass (reading
the images and, in ours, cutting the patches included) and of the process's peak memory above what it had
before, and whether both found the same.

    python benchmarks/patches.py [--model FILE] [--data DIR] [--images N] [--brute N] [--rounds N]

Without a model it is a ResNet-20 as it begins; without data, random images of its size.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version

SETTING = """
import hashlib, json, resource, sys, time
import numpy as np, torch
from hubel import build, zoo
from hubel.data.dataset import ArrayImages, numbered
from hubel.data.image.preprocess import Preprocessing
from hubel.data.sources import open_data
from hubel.instruments.patches import cut, maps_of, top_images
from hubel.instruments.stream import stream
from hubel.instruments.subject import Subject, features
from hubel.model import load
model, data, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
if model:
    loaded = load(model)
    network, preprocessing = loaded.network, loaded.preprocessing
else:
    network, preprocessing = build(zoo.resnet20(), "32x32x3"), Preprocessing.of("32x32x3")
if data:
    images = open_data(data, val=0).train
    count = min(count, len(images))
    images = images.select(np.linspace(0, len(images) - 1, count).round().astype(np.intp))
else:
    size = (count, preprocessing.height, preprocessing.width, preprocessing.depth)
    pixels = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    images = ArrayImages(np.zeros(count, np.int64), pixels, numbered("random", count))
subject = Subject.of(network)
paths = features(subject)
few = images.select(np.arange(min(64, count)))
subject.run(next(stream(few, preprocessing)), lambda _path, value: value, [])
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
"""
OURS = """
tops = top_images(subject, stream(images, preprocessing), paths)
cuts = cut(subject, tops, maps_of(tops), lambda at: preprocessing.pixels(images.image(at)), images.name)
found = [torch.from_numpy(top.images) for top in tops]
"""
BRUTE = """
stored = {path: torch.empty(count, seen.depth, *seen.plane)
          for path in paths for seen in [subject.step(path).output]}
first = 0
with torch.no_grad():
    for images in stream(images, preprocessing):
        for path, value in subject.values(images, paths).items():
            stored[path][first : first + len(images)] = value
        first += len(images)
found = []
for path in paths:
    best = stored[path].flatten(2).amax(2)
    found.append(best.sort(dim=0, descending=True, stable=True).indices[:9].T)
"""
END = """
digest = hashlib.sha256(torch.cat(found).contiguous().numpy().tobytes()).hexdigest()
print(json.dumps({"seconds": time.perf_counter() - began, "digest": digest,
                  "images": count, "maps": sum(len(each) for each in found),
                  "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))
"""


def spent(code: str, given: argparse.Namespace, images: int) -> dict[str, float]:
    """What one process took and found."""
    command = [sys.executable, "-c", SETTING + code + END, given.model, given.data, str(images)]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The images and maps of runs, and the medians of what they took."""
    return {
        "images": runs[0]["images"],
        "maps": runs[0]["maps"],
        "seconds": round(statistics.median(run["seconds"] for run in runs), 2),
        "peak_mib": round(statistics.median(run["mib"] for run in runs)),
    }


def main(given: argparse.Namespace) -> None:
    """Runs both in turns on as many images, ours on all as well, and prints what came out."""
    few = given.brute or given.images
    turns = [(spent(OURS, given, few), spent(BRUTE, given, few)) for _ in range(given.rounds)]
    ours, brute = (list(runs) for runs in zip(*turns, strict=True))
    result: dict[str, object] = {"hubel": medians(ours), "brute": medians(brute)}
    if given.images > few:
        result["hubel_on_all"] = medians([spent(OURS, given, given.images)])
    result |= {
        "same_images": len({run["digest"] for run in (*ours, *brute)}) == 1,
        "rounds": given.rounds,
        "torch": version("torch"),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", default="", help="a model's file")
    arguments.add_argument("--data", default="", help="a folder of images")
    arguments.add_argument("--images", type=int, default=2000)
    arguments.add_argument("--brute", type=int, default=0, help="the brute-force way, of so many only")
    arguments.add_argument("--rounds", type=int, default=3)
    main(arguments.parse_args())
