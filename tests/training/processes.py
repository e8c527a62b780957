"""Small runs in several processes: `python -m tests.training.processes OUT` is what each of them does.

With `--batches N` each trains N batches of a counted epoch instead, from the checkpoint in OUT if there is
one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import hubel
from hubel import build, parse
from hubel.data.augment.policy import Augmentation
from hubel.data.feed.decoded import Decoded
from hubel.data.image.preprocess import Preprocessing
from hubel.training.events import BatchDone, RoundDone
from hubel.training.run.checkpoint import Checkpoint
from hubel.training.settings.config import Config
from hubel.training.settings.recipes import RECIPES
from hubel.training.settings.toml import changed
from hubel.training.step.loss import class_weights
from hubel.training.trainer import Trainer
from hubel.world import World

ROOT = Path(__file__).parents[2]

BODY = "conv(6, 3, pad=1) >> batchnorm >> relu >> maxpool(2)"

CASES: dict[str, dict[str, Any]] = {
    "batch norm, cropped and mirrored": {
        "net": f"{BODY} >> conv(4, 3) >> batchnorm >> relu >> fc(3)",
        "augmentation": Augmentation(flip="random", shift=2, crop=0.5, pca=0.1, jitter=0.2, cutout=2),
    },
    "side head, classes weighed, part frozen, averaged": {
        "net": f'named("stem", {BODY}) >> side("aux", fc(3), weight=0.3) >> conv(4, 3) >> relu >> fc(3)',
        "freeze": ("stem",),
        "balance": "loss",
        "average": 0.9,
    },
    "hardest images, Muon": {
        "net": f"{BODY} >> fc(3)",
        "recipe": replace(RECIPES["fast_short"], whiten=False, smallest=1.0, batch=20, lr=0.05),
    },
    "a last batch of two images": {"net": f"{BODY} >> fc(3)", "batch": 17, "trivial": True},
    "in bfloat16": {"net": f"{BODY} >> conv(8, 3) >> relu >> fc(3)", "precision": "bfloat16"},
}
"""53 images each: in batches of 20 the last has 13, for two processes 7 and 6, for three 5 and 4 and 4."""


def images(count: int = 53, seed: int = 1) -> Decoded:
    """Images of three colours, of uneven numbers."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, count, p=(0.5, 0.3, 0.2))
    pixels = generator.integers(0, 140, (count, 8, 8, 3)).astype(np.uint8)
    pixels[np.arange(count), :, :, labels] += 90
    return Decoded(pixels, labels, tuple(f"image {at}" for at in range(count)))


def trained(case: str, world: World, **settings: Any) -> tuple[dict[str, Tensor], list[RoundDone]]:
    """The weights after two epochs of a case, those of the average included, and the rounds."""
    given = dict(CASES[case])
    augmentation, recipe = given.pop("augmentation", Augmentation()), given.pop("recipe", None)
    usual = {"epochs": 2, "batch": given.pop("batch", 20), "precision": "float32", "lr": 0.05}
    config = Config(data="none", net=given.pop("net"), input="8x8x3")
    config = replace(config, recipe=recipe) if recipe else changed(config, usual)
    config = changed(config, {"epochs": 2, "precision": "float32", **given, **settings})
    if recipe is None and not given.get("trivial"):
        config = replace(config, recipe=replace(config.recipe, augmentation=augmentation))
    seen = Preprocessing.of("8x8x3").measured(images().pixels)
    cut = {"shuffle": True, "seed": 3, "augmentation": config.recipe.augmentation}
    train = images().batches(seen, config.recipe.batch, world=world, **cut)  # type: ignore[arg-type]
    val = images(21, 2).batches(seen, 8)
    weights = class_weights(torch.from_numpy(images().labels), 3) if config.balance == "loss" else None
    network = build(parse(config.net), config.input, seed=4)
    trainer = Trainer.of(network, config, train, weights, world=world)
    rounds = [event for event in trainer.run(train, val) if isinstance(event, RoundDone)]
    found = {f"network.{name}": value for name, value in trainer.network.state_dict().items()}
    found |= {f"model.{name}": value for name, value in trainer.model.state_dict().items()}
    return {name: value.clone(memory_format=torch.contiguous_format) for name, value in found.items()}, rounds


def timed(world: World) -> str:
    """Where a timed run of half a second ends, in which every other process comes late to each step."""
    config = Config(data="none", net=f"{BODY} >> fc(3)", input="8x8x3", precision="float32")
    seen = Preprocessing.of("8x8x3").measured(images().pixels)
    train = images().batches(seen, 20, shuffle=True, world=world)
    trainer = Trainer.of(build(parse(config.net), config.input), config, train, world=world)
    trainer.start_clock(0.5)
    rounds = 0
    for event in trainer.run(train, images(21, 2).batches(seen, 8)):
        time.sleep(0.01 * world.rank)
        rounds += isinstance(event, RoundDone)
    return f"{trainer.epoch} {trainer.batch} {rounds} {trainer.network.state_dict()['fc1.weight'].sum()}"


def counted(world: World, out: Path, batches: int) -> None:
    """Trains so many batches of an epoch of 53 images, on from where the checkpoint in a folder is, if any.

    Each process writes which images its network has seen, and the first a checkpoint where it stops.
    """
    config = Config(data="none", net=f"{BODY} >> fc(3)", input="8x8x3")
    config = changed(config, {"epochs": 1, "batch": 9, "precision": "float32", "lr": 0.01})
    pixels = np.broadcast_to(np.arange(53, dtype=np.uint8)[:, None, None, None], (53, 8, 8, 3)).copy()
    pixels[:, :, :, 1:] = images().pixels[:, :, :, 1:]  # only the first colour tells the number
    feed = Decoded(pixels, images().labels, images().names)
    seen = Preprocessing(8, 8, 3, (0.0, 127.0, 127.0), (1 / 255, 0.5, 0.5))
    train = feed.batches(seen, 9, shuffle=True, seed=3, world=world)
    network = build(parse(config.net), config.input, seed=4)
    found: list[int] = []

    def count(net: nn.Module, given: tuple[Tensor]) -> None:
        if net.training:
            found.extend(given[0][:, 0, 0, 0].round().long().tolist())

    network.register_forward_pre_hook(count)
    trainer = Trainer.of(network, config, train, world=world)
    if checkpoint := Checkpoint.read(out):
        checkpoint.bring_back(trainer)
    events = trainer.run(train, images(21, 2).batches(Preprocessing.of("8x8x3"), 8))
    done = [event for event in islice(events, batches) if isinstance(event, BatchDone)]
    assert len(done) == batches
    (out / f"seen-{done[0].batch}-{world.rank}.txt").write_text(" ".join(map(str, found)), encoding="utf-8")
    if world.leads:
        Checkpoint.of(trainer, "none").write(out)


def environments(count: int) -> Iterator[dict[str, str]]:
    """The variables of each of so many processes, as a launcher sets them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for rank in range(count):
        yield os.environ | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "OMP_NUM_THREADS": "1",
        }


def launched(count: int, *arguments: str) -> list[subprocess.Popen[str]]:
    """So many processes of a command of Python that work together."""
    return [
        subprocess.Popen(
            [sys.executable, *arguments],
            env=each,
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for each in environments(count)
    ]


def main(out: Path, batches: int | None = None) -> None:
    """Trains every case, resumes a run, measures and predicts; every process writes what it has."""
    world = World.join()
    if batches is not None:
        counted(world, out, batches)
        return
    for number, case in enumerate(CASES):
        weights, rounds = trained(case, world)
        about = {"loss": str(rounds[-1].train_loss), "top1": str(rounds[-1].train_top1)}
        about |= {"val": str(rounds[-1].val.loss), "correct": str(rounds[-1].val.correct)}
        save_file(weights, out / f"{number}-{world.rank}.safetensors", about)
    weights, rounds = trained("batch norm, cropped and mirrored", world, sync_batchnorm=False)
    told = [weights["network.conv2.weight"].sum().item(), *(each.val.loss for each in rounds)]
    (out / f"apart-{world.rank}.txt").write_text(f"{told}", encoding="utf-8")
    (out / f"timed-{world.rank}.txt").write_text(timed(world), encoding="utf-8")
    hubel.resume(out / "run")
    photos = out / "photos"
    found = hubel.evaluate(out / "model.safetensors", photos, on_bad="skip")
    predicted = hubel.predict(out / "model.safetensors", [photos])
    file = hubel.predict(out / "model.safetensors", photos, out=out / "found.csv")
    text = f"{found.loss!r} {found.names} {[each.classes for each in predicted]} {file.images}"
    (out / f"found-{world.rank}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[3]) if "--batches" in sys.argv else None)
