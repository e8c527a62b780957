"""A training step: hubel's against a plain loop in PyTorch, and Keras on TensorFlow, on the same network.

A step is the forward pass, cross-entropy, the backward pass and SGD with momentum 0.9 on random images
of one batch. The plain loop is what a tutorial has: float32, no memory format, nothing fused. hubel's is
the loop of a run with its standard recipe, which clips the gradient too; its precision is what it chooses.
Each has a process of its own, and the processes take turns: one runs while the others wait. Prints medians
over all steps of all rounds, images a second and how many times the plain loop that is; GFLOP/s reckoned as
6 times the ledger's multiply-adds of an image; and their share of the rate of `torch.mm` on 2048 x 2048, on
a GPU on 8192 x 8192, in hubel's precision, which takes its turns with the rest: above 1 where a layer needs
fewer multiply-adds.

    python benchmarks/steps.py [NETWORKS] [--rounds 5] [--keras PYTHON]

NETWORKS are those of NETS below, all by default; PYTHON is one that has TensorFlow.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from importlib.metadata import version
from itertools import repeat
from operator import rshift
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.optim import SGD

from hubel import (
    Net,
    Volume,
    batchnorm,
    conv,
    fc,
    globalavgpool,
    ledger,
    maxpool,
    named,
    relu,
    trace,
    zoo,
)
from hubel.data.feed.batches import Batch, Epoch, Sides
from hubel.device import best_device, now
from hubel.module.network import Network, build
from hubel.net.layers import Fc
from hubel.net.norms import BatchNorm
from hubel.net.sliding import Conv, MaxPool, PadShortcut
from hubel.net.trace import Step
from hubel.net.window import pair
from hubel.training.events import BatchDone
from hubel.training.settings.config import Config
from hubel.training.settings.recipe import Recipe
from hubel.training.step.precision import PRECISIONS
from hubel.training.trainer import Trainer
from hubel.zoo.pages.resnet import basic, projected_once

SLICE = 1.0
"""Seconds of a turn; a step at least."""

MATMUL = 8192 if best_device().type == "cuda" else 2048


def resnet18() -> Net:
    """ResNet-18 for 32x32: a stem of 3x3 and no pooling, as is usual for CIFAR."""
    block = partial(basic, shortcut=projected_once)
    shapes = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1)]
    shapes += [(128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]
    stem = conv(64, 3, pad=1, bias=False) >> batchnorm >> relu
    blocks = [named(f"block{number}", block(*shape)) for number, shape in enumerate(shapes, 1)]
    return reduce(rshift, [stem, *blocks, globalavgpool, fc(10)])


def vgg11() -> Net:
    """VGG-11 for 32x32: its convolutions, and one fully connected layer."""
    stages = [(64,), (128,), (256, 256), (512, 512), (512, 512)]
    parts = [part for stage in stages for part in (*(conv(n, 3, pad=1) >> relu for n in stage), maxpool(2))]
    return reduce(rshift, parts) >> fc(10)


@dataclass(frozen=True, slots=True)
class Case:
    """A network, what it sees, and the images of a batch."""

    make: Callable[[], Net]
    volume: str
    batch: int


NETS = {
    "resnet18": Case(resnet18, "32x32x3", 128),
    "resnet20": Case(zoo.resnet20, "32x32x3", 128),
    "vgg11": Case(vgg11, "32x32x3", 128),
    "resnet50": Case(zoo.resnet50_v1_5, "224x224x3", 16),
    "lenet5": Case(zoo.lenet5, "32x32x1", 128),
}


def turns(step: Callable[[], object], about: str) -> None:
    """Says what it is, then steps whenever it is its turn: for the seconds it is told, saying what each took.

    Imports what it needs, since Keras's process is given its source.
    """
    import json
    import sys
    import time

    for _ in range(3):
        step()
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        times: list[float] = []
        end = time.perf_counter() + float(line)
        while not times or time.perf_counter() < end:
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
        print(json.dumps(times), flush=True)


def batch_of(case: Case) -> tuple[Network, Tensor, Tensor]:
    """A case's network in training mode, and one batch of noise."""
    device = best_device()
    network = build(case.make(), case.volume, scores=True).train().to(device)
    images = torch.randn(case.batch, network.volume.depth, *network.volume.plane, device=device)
    return network, images, torch.randint(network.output.depth, (case.batch,), device=device)


def plain(case: Case) -> None:
    """The loop of a tutorial."""
    network, images, labels = batch_of(case)
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            part.__class__ = nn.Conv2d  # PyTorch's way of it alone
    optimizer = SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step() -> float:
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    turns(step, "float32")


class Same:
    """A source whose batches are all the same one."""

    def __init__(self, images: Tensor, targets: Tensor) -> None:
        self.labels = targets.cpu().numpy()
        self._made = torch.arange(len(targets)), images.to(memory_format=torch.channels_last), targets

    def batches(self, among: Tensor | None = None) -> int:
        """Endlessly many."""
        return sys.maxsize

    def first(self) -> Batch:
        """The batch."""
        return self._made[1:]

    def epoch(self, number: int, sides: Sides | None = None, among: Tensor | None = None) -> Epoch:
        """The batch, again and again."""
        return Epoch(repeat(self._made))


def hubel(case: Case) -> None:
    """The loop of a run, by its standard recipe."""
    network, images, labels = batch_of(case)
    source = Same(images, labels)
    config = Config("noise", repr(network.net), case.volume, recipe=Recipe(batch=case.batch))
    trainer = Trainer.of(network, config, source)
    events = trainer.run(source, source)

    def step() -> None:
        while not isinstance(next(events), BatchDone):
            pass

    turns(step, trainer.config.precision)


def matmul(precision: str) -> None:
    """A product of two square matrices, in hubel's precision: the limit of multiply-adds."""
    device = best_device()
    first, second = torch.randn(2, MATMUL, MATMUL, device=device, dtype=PRECISIONS[precision])

    def step() -> None:
        first @ second
        now(device)

    turns(step, precision)


ANNOTATED = "from __future__ import annotations\n"
KERAS = """
import json, os, sys
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np, keras
from keras import layers, ops
steps, volume, classes, batch = json.loads(sys.argv[1])
def padded(x, pad):
    return layers.ZeroPadding2D(pad)(x) if any(pad) else x
def value(kind, given, inputs):
    x = inputs[0]
    if kind == "Conv":
        filters, size, stride, pad, bias = given
        same = stride == [1, 1] and [2 * side + 1 for side in pad] == size
        x = x if same else padded(x, pad)
        return layers.Conv2D(filters, size, stride, "same" if same else "valid", use_bias=bias)(x)
    if kind == "PadShortcut":
        filters, (down, across) = given
        return ops.pad(x[:, ::down, ::across], ((0, 0),) * 3 + ((0, filters - x.shape[-1]),))
    if kind == "MaxPool":
        size, stride, pad = given
        return layers.MaxPooling2D(size, stride)(padded(x, pad))
    if kind == "BatchNorm":
        return layers.BatchNormalization(epsilon=given[0], momentum=1 - given[1])(x)
    if kind == "Fc":
        return layers.Dense(given[0])(layers.Flatten()(x))
    if kind == "GlobalAvgPool":
        return layers.GlobalAveragePooling2D()(x)
    return {"Relu": layers.ReLU(), "Add": layers.Add(), "Identity": layers.Identity()}[kind](
        inputs if kind == "Add" else x)
values = {"input": keras.Input(volume)}
for path, kind, given, sources in steps:
    values[path] = value(kind, given, [values[source] for source in sources])
network = keras.Model(values["input"], values[path])
network.compile(keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=5e-4),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True))
images = np.random.default_rng(0).standard_normal((batch, *volume)).astype(np.float32)
labels = np.random.default_rng(1).integers(0, classes, batch)
turns(lambda: network.train_on_batch(images, labels), "float32")
"""


class Process:
    """A process that waits for its turns; `about` is what it says of itself."""

    def __init__(self, *command: str) -> None:
        self.times: list[float] = []
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about: str = self._answer()

    def turn(self) -> None:
        """Lets it step for a while."""
        assert self._process.stdin is not None
        print(SLICE, file=self._process.stdin, flush=True)
        self.times += self._answer()

    def end(self) -> float:
        """Ends it; the median of its steps in seconds."""
        self._process.communicate()
        return statistics.median(self.times)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def told(steps: Sequence[Step]) -> list[tuple[str, str, list[object], tuple[str, ...]]]:
    """The steps of a network as Keras is told them: path, kind, what the layer needs, sources."""
    found = []
    for step in steps:
        layer, given = step.layer, list[object]()
        if isinstance(layer, Conv):
            rows, columns = layer.window(step.inputs[0]).axes
            sizes = [pair(layer.size), pair(layer.stride), (rows.pad, columns.pad)]
            given = [layer.filters, *sizes, layer.bias]
        elif isinstance(layer, MaxPool):
            rows, columns = layer.window(step.inputs[0]).axes
            given = [pair(layer.size), pair(layer.stride or layer.size), (rows.pad, columns.pad)]
        elif isinstance(layer, BatchNorm):
            given = [layer.eps, layer.momentum]
        elif isinstance(layer, Fc):
            given = [layer.units]
        elif isinstance(layer, PadShortcut):
            given = [layer.filters, pair(layer.stride)]
        found.append((step.path, type(layer).__name__, given, step.sources))
    return found


def measured(name: str, rounds: int, keras: str | None) -> dict[str, object]:
    """A network's steps in every way, in turns: images a second, ratios, rates."""
    case = NETS[name]
    net = case.make()
    macs = ledger(net, case.volume).totals.macs
    own = (sys.executable, __file__, name, "--as")
    ours = Process(*own, "hubel")
    precision = ours.about
    ways = {"matmul": Process(*own, precision), "plain": Process(*own, "plain"), "hubel": ours}
    if keras:
        steps, shape = trace(net, Volume.of(case.volume)), list(Volume.of(case.volume))
        told_all = json.dumps([told(steps), shape, steps[-1].output.depth, case.batch])
        ways["keras"] = Process(keras, "-c", ANNOTATED + inspect.getsource(turns) + KERAS, told_all)
    for _ in range(rounds):
        for way in ways.values():
            way.turn()
    seconds = {way: process.end() for way, process in ways.items()}
    limit = 2 * MATMUL**3 / seconds.pop("matmul") / 1e9
    speeds = {way: case.batch / time for way, time in seconds.items()}
    rate = 6 * macs * speeds["hubel"] / 1e9
    return {
        "batch": case.batch,
        "precision": precision,
        **{f"{way}_images_a_second": round(speed, 1) for way, speed in speeds.items()},
        "times_plain": round(speeds["hubel"] / speeds["plain"], 2),
        **({"times_keras": round(speeds["hubel"] / speeds["keras"], 2)} if keras else {}),
        "gflops": round(rate),
        "matmul_gflops": round(limit),
        "share_of_matmul": round(rate / limit, 2),
    }


def main(given: argparse.Namespace) -> None:
    """Measures each network and prints what came out, a line each."""
    for name in given.networks or NETS:
        print(json.dumps({name: measured(name, given.rounds, given.keras)}), flush=True)
    about = {
        "rounds": given.rounds,
        "torch": version("torch"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(about))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("networks", nargs="*", choices=[*NETS, []])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--keras", help="a Python that has Keras and TensorFlow")
    arguments.add_argument("--as", dest="way", help=argparse.SUPPRESS)
    parsed = arguments.parse_args()
    if parsed.way in PRECISIONS:
        matmul(parsed.way)
    elif parsed.way:
        {"plain": plain, "hubel": hubel}[parsed.way](NETS[parsed.networks[0]])
    else:
        main(parsed)
