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


def measured(name: str, steps: int, *, together: bool) -> float:
    """The images per second of this process and those beside it."""
    world = World.join()
    keep_memory()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    net = zoo.find(name, 10, Volume.of("32x32x3"))[0]
    network = build(net, "32x32x3", scores=True)
    recipe = replace(RECIPES["standard"], batch=BATCH)
    config = Config(
        data="noise",
        net=repr(net),
        input="32x32x3",
        precision="float32",
        sync_batchnorm=together,
        recipe=recipe,
    )
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


def started(name: str, processes: int, threads: int, steps: int, *, together: bool) -> float:
    """The images per second of so many processes of so many threads."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = [
        subprocess.Popen(
            [sys.executable, __file__, "--one", name, str(steps), str(int(together))],
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
    """Prints the speeds."""
    ways = {
        "1 process, 1 thread, images/s": (1, 1, True),
        "1 process, 2 threads": (1, 2, True),
        "2 processes, 1 thread each": (2, 1, True),
        "2 processes, sync_batchnorm=false": (2, 1, False),
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (processes, threads, together) in ways.items():
            found[way].append(started(name, processes, threads, steps, together=together))
    print(
        json.dumps(
            {
                "network": name,
                **{way: round(statistics.median(speeds), 1) for way, speeds in found.items()},
                "processor": platform.machine(),
                "torch": version("torch"),
                "rounds": rounds,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(measured(sys.argv[2], int(sys.argv[3]), together=sys.argv[4] == "1"))
    else:
        name, rounds, steps = (*sys.argv[1:], *("resnet20", "3", "20")[len(sys.argv) - 1 :])
        main(name, int(rounds), int(steps))
