"""The training loop. It knows no architecture, prints nothing and writes nothing: it yields events."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from hubel.data.batches import Batches, epoch_seed
from hubel.errors import TrainingError
from hubel.module.network import Heads, Network
from hubel.train.config import AUTO, Config
from hubel.train.engine import PRECISIONS, fastest, keep_memory
from hubel.train.metrics import Evaluation, evaluate

WARM_UP = 0.25
"""The share of the run in which the learning rate rises."""

MEASURED = 16
"""How many pictures of a batch the precisions are measured on."""


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A step of the optimizer: which of how many in the epoch, and the loss of its batch."""

    epoch: int
    batch: int
    batches: int
    loss: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """An epoch with its validation. `train_loss` is the mean over the epoch's pictures, as trained.

    `train_top1` is the share of the augmented pictures that was right while training. `seconds` is the
    time since the first step, validation and the keeping of epochs included, over all sittings. `best`
    says whether it did better than every epoch before.
    """

    epoch: int
    epochs: int
    lr: float
    train_loss: float
    train_top1: float
    val: Evaluation
    seconds: float
    best: bool


Event: TypeAlias = BatchDone | EpochDone


@dataclass(slots=True)
class Trainer:
    """A network in training: all that changes, so that a run can stop after any epoch and go on.

    Each epoch seeds torch's own generator, from which dropout draws.

    `epoch` counts the finished ones, `seconds` the time they took, `best` is the highest top-1 so far.
    The precision in `config` is settled: never `auto`.
    """

    network: Network
    config: Config
    optimizer: Optimizer
    epoch: int = 0
    seconds: float = 0.0
    best: float = -1.0

    @classmethod
    def of(cls, network: Network, config: Config, train: Batches) -> Trainer:
        """A run that has not begun; where its precision is `auto`, the fastest for these batches."""
        keep_memory()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.precision == AUTO:
            config = replace(config, precision=_fastest(network, config, train))
        return cls(network, config, optimizer_for(network, config))

    def run(self, train: Batches, val: Batches) -> Iterator[Event]:
        """Trains to the last epoch, yielding every batch and every epoch.

        Raises TrainingError: the loss is no longer finite.
        """
        began = time.perf_counter() - self.seconds
        while self.epoch < self.config.epochs:
            losses = right = 0.0
            for batch, (images, labels) in enumerate(self._epoch(train), 1):
                progress = (self.epoch + (batch - 1) / len(train)) / self.config.epochs
                loss, scores = self._step(images, labels, one_cycle(progress) * self.config.lr)
                losses += loss * len(labels)
                right += (scores.argmax(1) == labels).sum().item()
                yield BatchDone(self.epoch + 1, batch, len(train), loss)
            result = evaluate(self.network, val.epoch(0))
            self._check(result.loss)
            self.epoch += 1
            self.seconds = time.perf_counter() - began
            best, self.best = result.top1 > self.best, max(result.top1, self.best)
            yield EpochDone(
                epoch=self.epoch,
                epochs=self.config.epochs,
                lr=self.optimizer.param_groups[0]["lr"],
                train_loss=losses / len(train.decoded),
                train_top1=right / len(train.decoded),
                val=result,
                seconds=self.seconds,
                best=best,
            )

    def _epoch(self, train: Batches) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of the epoch that comes next, always the same for one seed."""
        self.network.train()
        torch.manual_seed(epoch_seed(self.config.seed, self.epoch))  # dropout's masks
        yield from train.epoch(self.epoch)

    def _step(self, images: Tensor, labels: Tensor, lr: float) -> tuple[float, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        loss, scores = forward(self.network, images, labels, self.config)
        self._check(loss.item())
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimizer.step()
        return loss.item(), scores

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} in epoch {self.epoch + 1}: the run cannot go on; "
                f"try a lower learning rate, such as {min(self.config.lr / 10, 0.01):g}"
            )


def forward(network: Network, images: Tensor, labels: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """The loss of a batch and its scores, in the config's precision.

    The loss is the cross-entropy of the scores, and of each side head's by its weight.
    """
    precision = PRECISIONS[config.precision]
    with torch.autocast(images.device.type, precision, enabled=precision != torch.float32):
        output = network(images)
    scores, sides = output if isinstance(output, Heads) else (output, {})
    loss = F.cross_entropy(scores.float(), labels, label_smoothing=config.label_smoothing)
    for path, weight in network.side_weights.items():
        side = F.cross_entropy(sides[path].float(), labels, label_smoothing=config.label_smoothing)
        loss = loss + weight * side
    return loss, scores


def _fastest(network: Network, config: Config, train: Batches) -> str:
    """The precision in which a step on these batches takes least."""
    images, labels = (part[:MEASURED] for part in next(train.epoch(0)))
    network.train()

    def step(trial: Network, precision: str) -> Tensor:
        return forward(trial, images, labels, replace(config, precision=precision))[0]

    return fastest(network, step)


def one_cycle(progress: float) -> float:
    """The learning rate at a point of the run from 0 to 1, as a share of its peak.

    A line up for the first quarter, half a cosine down to 0. Source: Smith and Topin 2017.
    """
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.01)
    return 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def optimizer_for(network: nn.Module, config: Config) -> SGD:
    """SGD with Nesterov momentum; weight decay on weights, none on biases and normalisation."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0, fused=True)
