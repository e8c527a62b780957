"""From JPEG files to labels: whole processes of `hubel predict`, of another checkout, and of a plain script.

    python benchmarks/predict.py FOLDER MODEL [--other-src SRC --other-model MODEL] [--engines auto,openvino]
                                 [--images 400] [--size 500x375] [--rounds 3]

FOLDER is filled with photographs of that size, in two class folders: crops of the two that scikit-learn has,
scaled and mirrored at random, JPEG of quality 90. The plain script is what one writes: Pillow, resize of the
short side, crop, batches of 16, PyTorch in float32. Each round runs every way once. Then decoding alone and
every engine alone are measured in this process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from hubel.cores import allowed_cores, processor

HUBEL = "from hubel.cli import main; main()"
PLAIN = """
import sys
from pathlib import Path
import numpy as np, torch
from PIL import Image
import hubel
model = hubel.load(sys.argv[2])
network, seen = model.network.eval(), model.preprocessing
mean, std = (torch.tensor(each)[:, None, None] for each in (seen.mean, seen.std))
resize = seen.resize or seen.height
def read(path):
    image = Image.open(path).convert("RGB")
    scale = resize / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BICUBIC)
    left, top = (image.width - seen.width) // 2, (image.height - seen.height) // 2
    image = image.crop((left, top, left + seen.width, top + seen.height))
    return (torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 - mean) / std
files = sorted(Path(sys.argv[1]).rglob("*.jpg"))
with torch.inference_mode():
    for at in range(0, len(files), 16):
        some = files[at : at + 16]
        for path, place in zip(some, network(torch.stack([read(each) for each in some])).argmax(1)):
            print(path, model.classes[place])
"""


def fill(folder: Path, images: int, size: tuple[int, int]) -> None:
    """Writes photographs, unless there are as many already."""
    if len([*folder.rglob("*.jpg")]) == images:
        return
    draw = np.random.default_rng(0)
    photos = [Image.fromarray(each) for each in load_sample_images().images]
    for number in range(images):
        photo = photos[number % 2]
        scale = draw.uniform(0.5, 0.95)
        width, height = (int(side * scale) for side in photo.size)
        left = int(draw.integers(0, photo.width - width))
        top = int(draw.integers(0, photo.height - height))
        part = photo.crop((left, top, left + width, top + height)).resize(size, Image.Resampling.BICUBIC)
        if draw.random() < 0.5:
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        place = folder / ("temple", "flower")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        part.save(place / f"{number:05}.jpg", quality=90)


def seconds(command: list[str], src: str | None) -> float:
    """How long a process takes; its answers are thrown away."""
    environment = dict(os.environ) if src is None else {**os.environ, "PYTHONPATH": src}
    began = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def alone(folder: Path, model: str, engine: str) -> tuple[float, float]:
    """Images per second of decoding alone on all cores, and of the engine alone."""
    from hubel.model.classifier import classifier

    files = sorted(folder.rglob("*.jpg"))
    runs = classifier(model, engine)
    began = time.perf_counter()
    with ThreadPoolExecutor(allowed_cores()) as pool:
        pixels = [*pool.map(runs.preprocessing.read, files)]
    decoding = len(files) / (time.perf_counter() - began)
    batch = np.stack(pixels[:32])
    for _ in range(4):
        runs.probabilities_of(batch)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < 3:
        runs.probabilities_of(batch)
        count += len(batch)
    return decoding, count / (time.perf_counter() - began)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("folder", type=Path)
    parser.add_argument("model")
    parser.add_argument("--other-src")
    parser.add_argument("--other-model")
    parser.add_argument("--engines", default="auto")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--size", default="500x375")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    fill(asked.folder, asked.images, (width, height))
    folder, python = str(asked.folder), sys.executable
    engines = asked.engines.split(",")
    ways = {"plain script": ([python, "-c", PLAIN, folder, asked.model], None)}
    if asked.other_src:
        other = [python, "-c", HUBEL, "predict", asked.other_model or asked.model, folder, "--csv"]
        ways["other build"] = (other, asked.other_src)
    for engine in engines:
        own = [python, "-c", HUBEL, "predict", asked.model, folder, "--csv", "--engine", engine]
        ways[engine] = (own, None)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(asked.rounds):
        for way, (command, src) in ways.items():
            times[way].append(seconds(command, src))
    medians = {way: statistics.median(taken) for way, taken in times.items()}
    print(f"{processor()}, {allowed_cores()} cores; {asked.images} images of {asked.size}, {asked.model}")
    for way, median in medians.items():
        bases = [base for base in medians if base not in engines]
        ratios = ", ".join(f"{base} {medians[base] / median:.2f} x" for base in bases)
        print(f"{way:<14} {median:6.1f} s  {asked.images / median:6.1f} images/s  ({ratios})")
    for engine in engines:
        decoding, computing = alone(asked.folder, asked.model, engine)
        both = 1 / (1 / decoding + 1 / computing)
        print(
            f"{engine:<14} decoding alone {decoding:.0f}, engine alone {computing:.0f} images/s; on the same "
            f"cores together at most {both:.0f}"
        )


if __name__ == "__main__":
    main()
