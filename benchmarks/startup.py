"""Start-up of the commands: whole processes of this checkout and of another one's `src`, in turns.

Prints, for each command, the medians of wall time and CPU time and their ratios; then the share of `predict`
that `import torch` alone takes. Both runs' folders hold a `best.safetensors` that their own checkout wrote:
the file of one may not be readable by the other.

    python benchmarks/startup.py OTHER_SRC OTHER_RUN RUN IMAGE [ROUNDS]
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

OWN_SRC = Path(__file__).parent.parent / "src"
HUBEL = "from hubel.cli import main; main()"
COMMANDS = (
    "--help",
    "table resnet18",
    "table resnet152",
    "table RUN/best.safetensors",
    "predict RUN/best.safetensors IMAGE",
)


class Spent(NamedTuple):
    """Seconds of one process."""

    wall: float
    cpu: float


def spent(code: str, words: list[str], src: str) -> Spent:
    """Runs a program in a process of its own, with the packages in `src`."""
    environment = {**os.environ, "PYTHONPATH": src}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, words
    return Spent(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)


def medians(times: list[Spent]) -> Spent:
    """The median of each."""
    return Spent(*(statistics.median(column) for column in zip(*times, strict=True)))


def main(other_src: str, other_run: str, run: str, image: str, rounds: int = 9) -> None:
    """Runs everything in turns and prints a line for each command."""
    sides = (other_src, other_run), (str(OWN_SRC), run)
    for command in COMMANDS:
        times: tuple[list[Spent], list[Spent]] = ([], [])
        for _ in range(rounds):
            for (src, folder), found in zip(sides, times, strict=True):
                words = [word.replace("RUN", folder).replace("IMAGE", image) for word in command.split()]
                found.append(spent(HUBEL, words, src))
        other, own = medians(times[0]), medians(times[1])
        print(
            f"{command:36} wall {other.wall:.2f} -> {own.wall:.2f} s = {own.wall / other.wall:.2f}   "
            f"CPU {other.cpu:.2f} -> {own.cpu:.2f} s = {own.cpu / other.cpu:.2f}",
            flush=True,
        )
    torch = medians([spent("import torch", [], "") for _ in range(rounds)])
    print(f"{'import torch, no hubel':36} wall {torch.wall:.2f} s   CPU {torch.cpu:.2f} s")
    print(
        f"{rounds} rounds, {platform.machine()}, Python {platform.python_version()}, torch {version('torch')}"
    )


if __name__ == "__main__":
    src, folder, run, image, *rounds = sys.argv[1:]
    main(src, folder, run, image, *map(int, rounds))
