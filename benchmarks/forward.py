"""What finding the submodules costs a forward pass: ResNet-20 on one image of 32x32, on one thread.

hubel's network looks each submodule up in a few dictionaries; its peer is the same network by PyTorch's
`get_submodule`. They take turns, five passes each. Prints medians and their ratio.

    python benchmarks/forward.py [ROUNDS]
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from importlib.metadata import version

import torch
from torch import nn

from hubel import build, zoo
from hubel.module.network import Network

PASSES = 5


class ByPath(Network):
    """The network, its submodules found by their paths."""

    def _submodule(self, names: tuple[str, ...]) -> nn.Module:
        return self.get_submodule(".".join(names))


def main(rounds: int) -> None:
    """Runs both in turns and prints their medians."""
    torch.set_num_threads(1)
    ours, theirs = (build(zoo.resnet20(), "32x32x3").eval() for _ in range(2))
    theirs.__class__ = ByPath
    images = torch.randn(1, 3, 32, 32)
    seconds: dict[Network, list[float]] = {ours: [], theirs: []}
    with torch.inference_mode():
        for _ in range(rounds):
            for network, times in seconds.items():
                began = time.perf_counter()
                for _ in range(PASSES):
                    network(images)
                times.append((time.perf_counter() - began) / PASSES)
    medians = [statistics.median(times) for times in seconds.values()]
    result = {
        "hubel_milliseconds": round(medians[0] * 1e3, 2),
        "get_submodule_milliseconds": round(medians[1] * 1e3, 2),
        "times_faster": round(medians[1] / medians[0], 2),
        "rounds": rounds,
        "versions": {"torch": version("torch")},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
