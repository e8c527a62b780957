"""Optimizers: which parameters move by which rule, and Muon, which torch has for matrices alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from hubel.training.step.muon import Muon

if TYPE_CHECKING:
    from hubel.training.settings.recipe import Recipe

REFERENCE = 2000
"""The batch that the rates of `muon` are of; others scale them by the root of their share."""

HEAD_LR, BIAS_LR = 1340.0, 106.0
"""The peak rates of fully connected weights, times the square of their inputs, and of biases."""

OTHERS_MOMENTUM = 0.85


def sgd(network: nn.Module, recipe: Recipe) -> list[Optimizer]:
    """SGD with Nesterov momentum; weight decay on weights, none on biases and normalisation."""
    return [_sgd(_decayed(_learning(network), recipe), recipe)]


def adamw(network: nn.Module, recipe: Recipe) -> list[Optimizer]:
    """AdamW; weight decay on weights, none on biases and normalisation. Source: Loshchilov, Hutter 2017."""
    groups = _decayed(_learning(network), recipe)
    on_gpu = groups[0]["params"][0].is_cuda
    return [AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=True, capturable=on_gpu)]


def muon(network: nn.Module, recipe: Recipe) -> list[Optimizer]:
    """Muon for filter banks; SGD for biases, at a high rate, and for fully connected weights.

    `recipe.lr` is Muon's, relative to the filters; the scales of batch norm stay as they are, since filters
    of fixed norm make them idle. Source: Jordan's CIFAR-10 speed record, 2024, whose rates these are.
    """
    scale = math.sqrt(recipe.batch / REFERENCE)
    scales = {part.weight for part in network.modules() if isinstance(part, nn.BatchNorm2d)}
    moving = [parameter for parameter in _learning(network) if parameter not in scales]
    banks = [p for p in moving if p.ndim == 4]
    rates = [([p], HEAD_LR * scale / p[0].numel() ** 2) for p in moving if p.ndim in (2, 3)]
    rates.append(([p for p in moving if p.ndim == 1], BIAS_LR * scale))
    groups = [
        {"params": params, "lr": lr, "weight_decay": recipe.weight_decay / lr}
        for params, lr in rates
        if params
    ]
    others = SGD(groups, momentum=OTHERS_MOMENTUM, nesterov=True, fused=True) if groups else None
    found = [Muon(banks, recipe.lr * scale, recipe.momentum) if banks else None, others]
    return [optimizer for optimizer in found if optimizer]


OPTIMIZERS: dict[str, Callable[[nn.Module, Recipe], list[Optimizer]]] = {
    "sgd": sgd,
    "adamw": adamw,
    "muon": muon,
}
"""Every way to move a network's parameters, by name."""


def peaked(optimizers: list[Optimizer]) -> list[Optimizer]:
    """Optimizers that remember their peak rates, under torch's own name for them.

    On a GPU the rates are tensors: a step that is recorded there looks them up.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
            if group["params"][0].is_cuda:
                group["lr"] = torch.tensor(group["lr"], device=group["params"][0].device)
    return optimizers


def set_rates(optimizers: list[Optimizer], share: float) -> None:
    """Sets the rates of optimizers to a share of their peaks."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            rate = share * group["initial_lr"]
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


def _sgd(groups: list[dict[str, Any]], recipe: Recipe) -> Optimizer:
    momentum = recipe.momentum
    return SGD(groups, lr=recipe.lr, momentum=momentum, nesterov=momentum > 0, fused=True)


def _learning(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _decayed(parameters: list[nn.Parameter], recipe: Recipe) -> list[dict[str, Any]]:
    """Two groups: matrices and filters, which decay, and vectors, which do not."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
