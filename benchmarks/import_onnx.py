"""How long importing an ONNX file takes, and how much memory, beside opening it in ONNX Runtime.

    python -m benchmarks.import_onnx

The file is ResNet-50's, 102 MB, as PyTorch's exporter writes it. Each is measured in a process of its own,
with its libraries loaded, by the clock and by the most memory that the process takes beyond them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from hubel.cli.processes import SPINS
from hubel.ram import most_memory

NETWORK = "resnet50_v1_5"
ROUNDS = 3


def make(path: Path) -> None:
    """Writes the file."""
    import torch

    import hubel

    module = hubel.build(NETWORK, scores=True).eval()
    warnings.simplefilter("ignore")
    export: Any = torch.onnx.export
    axes = {"x": {0: "n"}}
    export(
        module, (torch.randn(1, 3, 224, 224),), str(path), dynamo=False, dynamic_axes=axes, input_names=["x"]
    )


def opened(path: Path) -> tuple[float, int]:
    """Seconds and bytes that ONNX Runtime takes to open the file."""
    import onnxruntime

    before, start = most_memory(), time.perf_counter()
    onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return time.perf_counter() - start, most_memory() - before


def imported(path: Path) -> tuple[float, int]:
    """Seconds and bytes that `hubel import` takes, with the comparison and the file that it writes."""
    import hubel.model.check_import  # with torch, onnx and onnxruntime
    from hubel.tasks.import_model import import_model

    assert hubel.model.check_import
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        before, start = most_memory(), time.perf_counter()
        import_model(path, out=Path(folder) / "m.safetensors")
        return time.perf_counter() - start, most_memory() - before


WAYS = {"opened": opened, "imported": imported}


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(*WAYS[arguments.way](arguments.file))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        make(path)
        size = path.stat().st_size
        found = {}
        env = os.environ | {"GOMP_SPINCOUNT": SPINS}  # as the command line sets it
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.import_onnx", "--way", way, "--file", str(path)]
            runs = [
                subprocess.run(command, capture_output=True, text=True, check=True, env=env)
                for _ in range(ROUNDS)
            ]
            figures = [run.stdout.split()[-2:] for run in runs]
            found[way] = min(float(seconds) for seconds, _ in figures), min(int(most) for _, most in figures)
            seconds, most = found[way]
            share = f"{most / size:.2f} of the file's {size / 1e6:.0f} MB"
            print(f"{way:<9} {seconds:.2f} s, {most / 1e6:.0f} MB, {share}")
        print(f"import takes {found['imported'][0] / found['opened'][0]:.2f} times as long as opening")


if __name__ == "__main__":
    main()
