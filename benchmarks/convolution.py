"""Layers that hubel convolves its own way in training, against PyTorch's convolution.

Small maps by products of matrices; in float32 windows of 3x3 by Winograd's filtering. One layer
forwards and backwards, gradients of images and weights, the two in turns; medians. Where neither way is
taken both are the same code.

    python benchmarks/convolution.py [float32|bfloat16] [ROUNDS]
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version

import torch
from torch import nn

from hubel.module.convolution import Convolution
from hubel.process import keep_memory
from hubel.training.step.precision import PRECISIONS, computing_in

SHAPES = (
    (128, 512, 512, 2, 1, 3),
    (512, 256, 256, 2, 1, 3),
    (512, 256, 256, 3, 1, 3),
    (128, 512, 512, 4, 1, 3),
    (128, 256, 512, 8, 2, 3),
    (16, 512, 512, 7, 1, 3),
    (16, 2048, 512, 7, 1, 1),
    (16, 512, 2048, 7, 1, 1),
    (16, 1024, 2048, 14, 2, 1),
    (512, 256, 256, 5, 1, 3),
    (512, 256, 256, 7, 1, 3),
    (128, 256, 256, 8, 1, 3),
    (128, 128, 128, 16, 1, 3),
    (512, 64, 256, 15, 1, 3),
    (128, 64, 64, 32, 1, 3),
)
"""Images, maps in, maps out, side, stride, window."""


def measured(shape: tuple[int, ...], precision: str, rounds: int) -> dict[str, object]:
    """Milliseconds of a layer both ways."""
    count, depth, filters, side, stride, window = shape
    images = (
        torch.randn(count, depth, side, side).to(PRECISIONS[precision]).to(memory_format=torch.channels_last)
    )
    images.requires_grad_()
    layers: dict[str, nn.Module] = {
        name: kind(depth, filters, window, stride, window // 2, bias=False)
        for name, kind in (("hubel", Convolution), ("torch", nn.Conv2d))
    }
    times: dict[str, list[float]] = {name: [] for name in layers}
    for turn in range(rounds + 2):
        for name, layer in layers.items():
            began = time.perf_counter()
            with computing_in(precision, torch.device("cpu")):
                out = layer(images)
            out.backward(out.detach())
            if turn >= 2:
                times[name].append(time.perf_counter() - began)
    found = {name: round(1000 * statistics.median(each), 1) for name, each in times.items()}
    text = f"{count} of {side}x{side}x{depth}, conv({filters}, {window}, stride={stride})"
    return {"layer": text, "ms": found, "times_torch": round(found["torch"] / found["hubel"], 2)}


def main(precision: str, rounds: int) -> None:
    """Measures every shape and prints what came out, a line each."""
    keep_memory()  # as a training run does
    torch.manual_seed(0)
    for shape in SHAPES:
        print(json.dumps(measured(shape, precision, rounds)), flush=True)
    about = {
        "precision": precision,
        "rounds": rounds,
        "torch": version("torch"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(about))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "float32", int(sys.argv[2]) if len(sys.argv) > 2 else 15)
