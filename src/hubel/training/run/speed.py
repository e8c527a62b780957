"""How fast a candidate trains on this machine, measured on noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hubel.device import best_device, now
from hubel.module.network import build
from hubel.module.recorded import Recorded, clear_gradients
from hubel.net.algebra import Net
from hubel.net.volume import Volume
from hubel.training.parts import left_to_learn
from hubel.training.settings.config import AUTO
from hubel.training.settings.recipe import Recipe
from hubel.training.step.loss import loss_of
from hubel.training.step.memory import tried
from hubel.training.step.optimizer import OPTIMIZERS
from hubel.training.step.precision import emulates_bfloat16, fastest

TRIED = 128
"""How many images a step has by which a candidate is measured on a CPU."""


def training_speed(
    net: Net, volume: Volume, recipe: Recipe, precision: str = AUTO, freeze: Sequence[str] = ()
) -> float:
    """How many images per second a network trains on by a recipe, now, on the best device there is.

    The parts `freeze` do not learn. Raises UsageError: as `left_to_learn`.
    """
    device = best_device()

    def trial(count: int) -> float:
        return _speed_in_steps(net, volume, recipe, precision, count, freeze)

    return tried(recipe.batch, TRIED, device, trial)


def _speed_in_steps(  # noqa: PLR0917 - those of `training_speed`, and one more
    net: Net, volume: Volume, recipe: Recipe, precision: str, count: int, freeze: Sequence[str]
) -> float:
    """The same, measured by steps of `count` images."""
    device = best_device()
    network = build(net, volume, init=recipe.init, scores=True).to(device)
    left_to_learn(network, freeze)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form torch does not type
    images = torch.randn(count, volume.depth, *volume.plane, device=device)
    images = images.to(memory_format=torch.channels_last)
    labels = torch.arange(count, device=device) % network.output.depth
    optimizers = OPTIMIZERS[recipe.optimizer](network, recipe.rates)
    for part in network.modules() if recipe.fixed_statistics else ():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    if precision == AUTO or emulates_bfloat16(device):
        precision = fastest(
            network, recipe.batch, lambda trial, kind: loss_of(trial, images, labels, precision=kind)[0]
        )

    def backward() -> tuple[()]:
        loss_of(network, images, labels, precision=precision)[0].backward()  # type: ignore[no-untyped-call]
        return ()

    def move() -> tuple[()]:
        for optimizer in optimizers:
            optimizer.step()
        return ()

    passes, moves = Recorded(backward, device), Recorded(move, device)
    passing, moving = [], []
    for _ in range(3):
        clear_gradients(network)
        began = now(device)
        passes()
        between = now(device)
        moves()
        passing.append(between - began)
        moving.append(now(device) - between)
    return recipe.batch / (min(passing) * recipe.batch / count + min(moving))
