"""Every network of the zoo at its full size to every format, and how far the answers lie apart.

    python benchmarks/exports.py [--networks resnet18,vgg16] [--to onnx,openvino,pt2]

Weights are random, and the temperature is such that scores have a standard deviation of 3, as those of a
trained network: otherwise all probabilities would be alike. `hubel export` opens each file again in its
runtime, runs it at 1, 2 and 3 images, and refuses it where probabilities differ by more than 1e-4; here what
it measured is printed, or its refusal.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from hubel import zoo
from hubel.cores import allowed_cores, processor
from hubel.errors import HubelError
from hubel.model.file import Model
from hubel.tasks.bench_subject import untrained
from hubel.tasks.export import export

MOST = 1e6
"""The greatest temperature of a model; the scores of very deep networks with random weights are larger."""

ENDINGS = {"onnx": ".onnx", "openvino": ".xml", "pt2": ".pt2"}


def spread(name: str) -> Model:
    """A network with random weights, whose classes have probabilities that differ."""
    model = untrained(name, None)
    seen = model.preprocessing.volume
    noise = torch.randn(1, seen.depth, *seen.plane, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        deviation = float(model.network(noise).std())
    return replace(model, temperature=min(deviation / 3, MOST))


def exported(name: str, to: str) -> str:
    """The largest difference of a probability after export of a network, with the seconds it took."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = export(spread(name), to=to, out=Path(folder) / f"model{ENDINGS[to]}")
        except HubelError as error:
            return f"refused: {error}"
    assert found.check is not None
    return f"{found.check.difference:.1g} in {time.perf_counter() - began:.0f} s"


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--networks", default=",".join(sorted(zoo.ZOO)))
    parser.add_argument("--to", default=",".join(ENDINGS))
    asked = parser.parse_args()
    print(f"{processor()}, {allowed_cores()} cores")
    for name in asked.networks.split(","):
        answers = [f"{to} {exported(name, to)}" for to in asked.to.split(",")]
        print(f"{name:<24} {'  '.join(answers)}", flush=True)


if __name__ == "__main__":
    main()
