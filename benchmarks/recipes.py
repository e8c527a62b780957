"""What networks and recipes reach in a given work: hubel's own loop, by a clock that counts multiply-adds.

An accuracy in a time is one of a machine. By work, 6 times the multiply-adds of all images forwards,
networks and recipes can be compared on any, and on a GPU in seconds each; starting and validating are free.
Prints what is right, with the recipe's views, of the held-out images, by which one may choose, and of the
test split, by which one may not.

    python benchmarks/recipes.py DATA WORK NET RECIPE [--val 0.1] [--seeds 1]

DATA is a folder with train/CLASS/* and test/CLASS/*, WORK such as 0.96e15, NET a name of the zoo or a
notation, RECIPE a name or a TOML file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from hubel import Net, Volume, ledger
from hubel.data.feed.batches import Batch, Batches, Sides
from hubel.data.sources import open_data
from hubel.device import best_device
from hubel.evaluation.metrics import evaluate
from hubel.evaluation.model import measure
from hubel.tasks.network import given as given_network
from hubel.training import trainer as loop
from hubel.training.run.prepare import prepare
from hubel.training.settings.config import Config
from hubel.training.settings.recipes import recipe_named
from hubel.training.step.precision import computing_in
from hubel.training.trainer import Trainer


class Clock:
    """Stands in for the loop's `time`: a second is the whole work."""

    def __init__(self, net: Net, depth: int, work: float) -> None:
        self.seconds = 0.0
        self._macs = cache(lambda height, width: ledger(net, Volume(height, width, depth)).totals.macs)
        self._work = work

    def perf_counter(self) -> float:
        """The share of the work that is done."""
        return self.seconds

    def step(self, images: Tensor) -> None:
        """Counts a step on images, n x c x h x w."""
        self.seconds += 6 * self._macs(*images.shape[2:]) * len(images) / self._work


class Counted(Iterator[Batch]):
    """The batches of an epoch, each of which moves a clock."""

    def __init__(self, clock: Clock, source: Batches, *which: Any) -> None:
        self._clock, self._epoch = clock, source.epoch(*which)

    @property
    def places(self) -> Tensor:
        """Where the images of the last batch are in their set."""
        return self._epoch.places

    def __next__(self) -> Batch:
        images, targets = next(self._epoch)
        self._clock.step(images)
        return images, targets


class Source:
    """Batches whose epochs are counted."""

    def __init__(self, clock: Clock, batches: Batches) -> None:
        self.labels, self.batches, self.first = batches.labels, batches.batches, batches.first
        self._counted = partial(Counted, clock, batches)

    def epoch(self, number: int, sides: Sides | None = None, among: Tensor | None = None) -> Any:
        """The batches of an epoch."""
        return self._counted(number, sides, among)


def reached(given: argparse.Namespace, seed: int) -> dict[str, float]:
    """Trains once; what is right, in percent, and how many epochs it was."""
    data = open_data(given.data, val=given.val, seed=seed)
    network = given_network(given.net, data=data)
    net, volume = network.net, network.volume
    assert isinstance(net, Net), "a network is given by its name or notation"
    fitted = recipe_named(given.recipe).fitted(
        mirror=data.mirror, side=min(volume.plane), images=len(data.train)
    )
    config = Config(given.data, repr(net), str(volume), val=given.val, seed=seed, recipe=fitted)
    setting = prepare(config)
    trainer = Trainer.of(setting.network, config, setting.train)
    clock = Clock(net, volume.depth, given.work)
    trainer.start_clock(1.0)
    vars(loop)["time"] = clock
    for _ in trainer.run(Source(clock, setting.train), setting.val):
        pass
    model = setting.model(trainer.model, {"data": given.data, "val": given.val}, views=fitted.views)
    with computing_in(trainer.config.precision, best_device()):
        found = evaluate(trainer.model, setting.val.epoch(0), fitted.views)
    test = measure(model, given.data, "test")
    return {
        "held_out": round(100 * found.top1, 2),
        "test": round(100 * test.top1, 2),
        "epochs": round(trainer.done, 1),
    }


def main(given: argparse.Namespace) -> None:
    """Prints a line for each seed."""
    for seed in range(given.seeds):
        about = {"net": given.net, "recipe": given.recipe, "work": given.work, "seed": seed}
        print(json.dumps(about | reached(given, seed)), flush=True)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(json.dumps({"torch": version("torch"), "device": device}))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data")
    arguments.add_argument("work", type=float)
    arguments.add_argument("net")
    arguments.add_argument("recipe")
    arguments.add_argument("--val", type=float, default=0.1)
    arguments.add_argument("--seeds", type=int, default=1)
    main(arguments.parse_args())
