"""A step of training on a CPU, by this build and by an older one: by default EfficientNet-Lite0 fine-tuned.

A step is the forward pass, cross-entropy, the backward pass and SGD with momentum on one batch of noise of
224x224; batch normalisation has fixed statistics, and side heads learn nothing. Each build has a process of
its own, and they take turns: one runs while the other waits. Prints the medians over all steps of all rounds,
in images per second of the processor, and their ratio.

    python benchmarks/tuning.py PYTHON [--net NET] [--stay] [--bfloat16] [--rounds 5] [--batch 32]
        [--threads 1]

PYTHON is that of an environment which has the older build, NET a network of the zoo. With `--stay` the early
parts do not learn in this build, as in its timed runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.optim import SGD

from hubel import build, zoo

STEPS = 2
"""Steps of a turn."""


def steps(net: str, batch: int, *, stay: bool, bfloat16: bool) -> None:
    """Takes steps whenever it is its turn, and says how long each took, in seconds of the processor."""
    place = "hubel.process" if find_spec("hubel.process") else "hubel.train.engine"  # before 0.4.0
    import_module(place).keep_memory()
    torch.manual_seed(0)
    network = build(getattr(zoo, net)(10), "224x224x3", scores=True).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form torch does not type
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    if stay:
        early = import_module("hubel.training.run.finetune").early_parts(network.net, network.volume)
        for path in early:
            network.get_submodule(path).requires_grad_(requires_grad=False)
    optimizer = SGD(network.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    images = torch.randn(batch, 3, 224, 224).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10

    def step() -> float:
        began = time.process_time()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            found = network(images)
        scores = found if isinstance(found, torch.Tensor) else found[0]  # without the side heads'
        F.cross_entropy(scores.float(), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return time.process_time() - began

    step()
    for _ in sys.stdin:
        print(json.dumps([step() for _ in range(STEPS)]), flush=True)


class Build:
    """A process with a build of hubel, which waits for its turns."""

    def __init__(self, python: str, given: argparse.Namespace) -> None:
        self.times: list[float] = []
        command = [python, __file__, python, "--as", "steps", "--batch", str(given.batch), "--net", given.net]
        command += [f"--{name}" for name in ("bfloat16", "stay") if vars(given)[name]]
        environment = {**os.environ, "OMP_NUM_THREADS": str(given.threads)}
        self._process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def turn(self) -> None:
        """Lets it take some steps."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        self.times += json.loads(self._process.stdout.readline())

    def end(self) -> float:
        """Ends it; the median of its steps in seconds."""
        self._process.communicate()
        return statistics.median(self.times)


def main(given: argparse.Namespace) -> None:
    """Lets both take turns and prints what came out."""
    builds = {
        "now": Build(sys.executable, given),
        "before": Build(given.python, argparse.Namespace(**{**vars(given), "stay": False})),
    }
    for _ in range(given.rounds):
        for each in builds.values():
            each.turn()
    seconds = {name: each.end() for name, each in builds.items()}
    result = {
        **{f"{name}_images_a_second": round(given.batch / took, 1) for name, took in seconds.items()},
        "times_before": round(seconds["before"] / seconds["now"], 2),
        "net": given.net,
        "early_parts_stay": given.stay,
        "threads": given.threads,
        "rounds": given.rounds,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("python")
    arguments.add_argument("--net", default="efficientnet_lite0")
    arguments.add_argument("--stay", action="store_true")
    arguments.add_argument("--bfloat16", action="store_true")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--as", dest="way", help=argparse.SUPPRESS)
    parsed = arguments.parse_args()
    if parsed.way:
        steps(parsed.net, parsed.batch, stay=parsed.stay, bfloat16=parsed.bfloat16)
    else:
        main(parsed)
