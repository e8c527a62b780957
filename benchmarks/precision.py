"""Training in bfloat16 against float32 on a CPU, by the multiply-adds for each value that is converted.

Loss and gradients of a step of 32 images, on one thread, the two in turns; the least of several. What is
counted is the processor's time, which other programs do not add to.

    python benchmarks/precision.py [ROUNDS]
"""

from __future__ import annotations

import json
import platform
import sys
import time
from importlib.metadata import version

import torch

from hubel import zoo
from hubel.cores import processor_flags
from hubel.module.network import build
from hubel.net.volume import Volume
from hubel.training.step.loss import loss_of
from hubel.training.step.precision import NATIVE, multiplies

BATCH = 32

NETWORKS = (
    ("lenet5", "32x32x1"),
    ("efficientnet_lite0", "128x128x3"),
    ("resnet20", "32x32x3"),
    ("resnet50", "64x64x3"),
    ("fast_tiny", "32x32x3"),
    ("resnet18", "64x64x3"),
    ("fast_small", "32x32x3"),
    ("fast", "32x32x3"),
    ("fast_large", "32x32x3"),
    ("allcnn_c", "32x32x3"),
)


def measured(name: str, volume: Volume, rounds: int) -> dict[str, object]:
    """The ratio of the times of a step, bfloat16 to float32."""
    network = build(zoo.find(name, 10, volume)[0], volume, scores=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form torch does not type
    images = torch.randn(BATCH, volume.depth, *volume.plane).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10
    best = {"float32": float("inf"), "bfloat16": float("inf")}
    for _ in range(rounds + 1):
        for precision, least in best.items():
            began = time.process_time()
            loss = loss_of(network, images, labels, precision=precision)[0]
            loss.backward()  # type: ignore[no-untyped-call]
            best[precision] = min(least, time.process_time() - began)
    return {
        "network": f"{name} {volume}",
        "multiply_adds_per_value": round(multiplies(network, BATCH), 1),
        "float32_ms": round(1000 * best["float32"], 1),
        "ratio": round(best["bfloat16"] / best["float32"], 2),
    }


def main() -> None:
    """Prints where it was measured, then a line of JSON for each network."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    torch.set_num_threads(1)
    where = {
        "machine": platform.machine(),
        "bfloat16": sorted(NATIVE & processor_flags()),
        "torch": version("torch"),
        "date": time.strftime("%Y-%m-%d"),
    }
    print(json.dumps(where))
    for name, volume in NETWORKS:
        print(json.dumps(measured(name, Volume.of(volume), rounds)), flush=True)


if __name__ == "__main__":
    main()
