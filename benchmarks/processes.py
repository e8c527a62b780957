"""Training in two processes of one thread against one process of two threads, on the same cores, in turns.

Images per second of a network on noise of 32x32, 128 images per step, random shifts and flips: whole steps of
the training loop, batches included. Medians.

    python benchmarks/processes.py [NETWORK] [ROUNDS] [STEPS]
"""

from __future__ import annotations

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import torch

from hubel import zoo
from hubel.data.feed.decoded import Decoded
from hubel.data.image.preprocess import Preprocessing
from hubel.module.network import build
from hubel.net.volume import Volume
from hubel.process import keep_memory
from hubel.training.events import BatchDone
from hubel.training.settings.config import Config
from hubel.training.settings.recipes import RECIPES
from hubel.training.trainer import Trainer
from hubel.world import World

BATCH, WARM = 128, 3
"""Images per step; the first steps, which are not counted."""


def measured(name: str, steps: int) -> float:
    """The images per second of this process and those beside it."""
    world = World.join()
    keep_memory()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    net = zoo.find(name, 10, Volume.of("32x32x3"))[0]
    network = build(net, "32x32x3", scores=True)
    recipe = replace(RECIPES["standard"], batch=BATCH)
    config = Config(data="noise", net=repr(net), input="32x32x3", precision="float32", recipe=recipe)
    generator = np.random.default_rng(0)
    count = BATCH * (steps + WARM)
    pixels = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    noise = Decoded(pixels, generator.integers(0, 10, count), ("",) * count)
    train = noise.batches(
        Preprocessing.of("32x32x3"), BATCH, shuffle=True, augmentation=recipe.augmentation, world=world
    )
    trainer = Trainer.of(network, config, train, world=world)
    began = 0.0
    for event in trainer.run(train, noise.batches(Preprocessing.of("32x32x3"), BATCH)):
        assert isinstance(event, BatchDone), "no validation"
        if event.batch == WARM:
            began = time.perf_counter()
        if event.batch == event.batches:
            break
    return BATCH * steps / (time.perf_counter() - began)


def started(name: str, processes: int, threads: int, steps: int) -> float:
    """The images per second of so many processes of so many threads."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = [
        subprocess.Popen(
            [sys.executable, __file__, "--one", name, str(steps)],
            env=os.environ
            | {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(processes),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "OMP_NUM_THREADS": str(threads),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]
    printed = [each.communicate()[0] for each in made]
    return float(printed[0])


def main(name: str, rounds: int, steps: int) -> None:
    """Prints both speeds and their ratio."""
    found: dict[tuple[int, int], list[float]] = {(1, 1): [], (1, 2): [], (2, 1): []}
    for _ in range(rounds):
        for (processes, threads), speeds in found.items():
            speeds.append(started(name, processes, threads, steps))
    one, threaded, two = (statistics.median(speeds) for speeds in found.values())
    print(
        json.dumps(
            {
                "network": name,
                "1 process, 1 thread, images/s": round(one, 1),
                "1 process, 2 threads": round(threaded, 1),
                "2 processes, 1 thread each": round(two, 1),
                "processes to threads": round(two / threaded, 3),
                "processor": platform.machine(),
                "torch": version("torch"),
                "rounds": rounds,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(measured(sys.argv[2], int(sys.argv[3])))
    else:
        name, rounds, steps = (*sys.argv[1:], *("resnet20", "3", "20")[len(sys.argv) - 1 :])
        main(name, int(rounds), int(steps))
