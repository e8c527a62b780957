"""The nine patches that drive every map of a ResNet-20 most: one streaming pass against storing all.

The brute-force way keeps every activation, then sorts. Both see the same random pictures of 32x32x3 and
the same layers, all activations and the scores; each is a fresh process, the two take turns. Prints
medians of the seconds of the pass (cutting the patches included in ours) and of the process's peak memory
above what it had before, and whether both found the same.

    python benchmarks/patches.py [IMAGES] [ROUNDS]
"""

from __future__ import annotations

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
from hubel.data import ArrayPictures, Preprocessing
from hubel.data.pictures import numbered
from hubel.look import Subject
from hubel.look.patches import cut, features, maps_of, stream, top_pictures
count = int(sys.argv[1])
pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
pictures = ArrayPictures(np.zeros(count, np.int64), pixels, numbered("random", count))
preprocessing = Preprocessing.of("32x32x3")
subject = Subject.of(build(zoo.resnet20(), "32x32x3"))
paths = features(subject)
subject.run(next(stream(pictures.select(np.arange(64)), preprocessing)), lambda _path, value: value, [])
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
"""
OURS = """
tops = top_pictures(subject, stream(pictures, preprocessing), paths)
cut(subject, tops, maps_of(tops), lambda index: pixels[index], pictures.name)
found = [torch.from_numpy(top.pictures) for top in tops]
"""
BRUTE = """
stored = {path: torch.empty(count, seen.depth, *seen.plane)
          for path in paths for seen in [subject.step(path).output]}
first = 0
with torch.no_grad():
    for images in stream(pictures, preprocessing):
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
print(json.dumps([time.perf_counter() - began,
                  (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, digest]))
"""


def spent(code: str, images: int) -> tuple[float, float, str]:
    """Seconds, MiB and what was found, of one process."""
    command = [sys.executable, "-c", SETTING + code + END, str(images)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, memory, digest = json.loads(out)
    return seconds, memory, digest


def main(images: int, rounds: int) -> None:
    """Runs both in turns and prints what came out."""
    runs = [(spent(OURS, images), spent(BRUTE, images)) for _ in range(rounds)]
    ours, brute = zip(*runs, strict=True)
    result = {
        "images": images,
        "hubel_seconds": round(statistics.median(run[0] for run in ours), 2),
        "brute_seconds": round(statistics.median(run[0] for run in brute), 2),
        "hubel_peak_mib": round(statistics.median(run[1] for run in ours)),
        "brute_peak_mib": round(statistics.median(run[1] for run in brute)),
        "same_pictures": len({run[2] for run in (*ours, *brute)}) == 1,
        "rounds": rounds,
        "torch": version("torch"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 2000,
        int(sys.argv[2]) if len(sys.argv) > 2 else 3,
    )
