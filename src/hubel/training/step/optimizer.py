"""Optimizers: which parameters move by which rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from hubel.module.norms import LayerScale
from hubel.module.own import Trainable
from hubel.training.step.muon import Muon
from hubel.training.step.uncompiled import Uncompiled, plain

REFERENCE = 2000
"""The batch size for which the rates of `muon` were tuned; others scale them by the root of their ratio."""

HEAD_LR, BIAS_LR = 1340.0, 106.0
"""Muon's peak rates for fully connected weights, times the square of their inputs, and for biases."""

OTHERS_MOMENTUM = 0.85

KIND = "kind"
"""The key of a group's kind."""

BIASES, FIRST_LAYER, FIRST_BIASES = "biases", "first layer", "biases of the first layer"
"""The kinds of groups whose learning rates may have a course of their own."""


PER_MAP = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.PReLU, LayerScale)
"""Modules whose weight is a factor per map."""


class _Sgd(Uncompiled, SGD):
    step = plain(SGD.step)


class _AdamW(Uncompiled, AdamW):
    step = plain(AdamW.step)


@dataclass(frozen=True, slots=True)
class Rates:
    """The numbers of an optimizer; `lr` is the peak learning rate for `batch` images per step.

    `bias_lr`: that of biases, 0 for the same. `first_layer`: not empty if the first layer has its own groups.
    """

    lr: float
    momentum: float
    weight_decay: float
    batch: int
    nesterov: bool = True
    bias_lr: float = 0.0
    first_layer: tuple[float, ...] = ()


def sgd(network: Trainable, rates: Rates) -> list[Optimizer]:
    """SGD with momentum. Weights decay; biases and normalisation do not."""
    learning, momentum = _learning(network), rates.momentum
    first = [each for each in _first_layers(network) if each.requires_grad] if rates.first_layer else []
    rest = [parameter for parameter in learning if parameter not in set(first)]
    groups = []
    for parameters, weights, biases in ((rest, "", BIASES), (first, FIRST_LAYER, FIRST_BIASES)):
        for group in _decayed(parameters, rates.weight_decay):
            apart = rates.bias_lr > 0 and group["params"][0].ndim <= 1
            groups.append(group | ({"lr": rates.bias_lr, KIND: biases} if apart else {KIND: weights}))
    nesterov = rates.nesterov and momentum > 0
    return [_Sgd(groups, lr=rates.lr, momentum=momentum, nesterov=nesterov, fused=True)]


def adamw(network: Trainable, rates: Rates) -> list[Optimizer]:
    """AdamW. Weights decay; biases and normalisation do not. Source: Loshchilov and Hutter 2017."""
    groups = _decayed(_learning(network), rates.weight_decay)
    on_gpu = groups[0]["params"][0].is_cuda
    return [_AdamW(groups, lr=rates.lr, betas=(rates.momentum, 0.999), fused=True, capturable=on_gpu)]


def muon(network: Trainable, rates: Rates) -> list[Optimizer]:
    """Muon for filter banks; SGD for biases, at a high rate, and for fully connected weights.

    The learning rate is Muon's, relative to the filters. The factors per map of normalisations and the like
    stay as they are: filters of fixed norm make them redundant. Source: Jordan's CIFAR-10 speed record, 2024,
    with its rates.
    """
    scale = math.sqrt(rates.batch / REFERENCE)
    scales = {part.weight for part in network.modules() if isinstance(part, PER_MAP)}
    moving = [parameter for parameter in _learning(network) if parameter not in scales]
    banks = [p for p in moving if p.ndim == 4]
    peaks = [([p], HEAD_LR * scale / p[0].numel() ** 2) for p in moving if p.ndim in (2, 3)]
    peaks.append(([p for p in moving if p.ndim == 1], BIAS_LR * scale))
    groups = [
        {"params": params, "lr": lr, "weight_decay": rates.weight_decay / lr}
        for params, lr in peaks
        if params
    ]
    others = _Sgd(groups, momentum=OTHERS_MOMENTUM, nesterov=True, fused=True) if groups else None
    found = [Muon(banks, rates.lr * scale, rates.momentum) if banks else None, others]
    return [optimizer for optimizer in found if optimizer]


OPTIMIZERS: dict[str, Callable[[Trainable, Rates], list[Optimizer]]] = {
    "sgd": sgd,
    "adamw": adamw,
    "muon": muon,
}
"""Every way to move a network's parameters, by name."""


def peaked(optimizers: list[Optimizer]) -> list[Optimizer]:
    """The optimizers, with their peak rates kept under torch's own name, `initial_lr`.

    On a GPU the rates become tensors, so that a recorded step looks them up.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
            if group["params"][0].is_cuda:
                group["lr"] = torch.tensor(group["lr"], device=group["params"][0].device)
    return optimizers


def set_rates(
    optimizers: list[Optimizer], share: float, apart: Mapping[str, float] = MappingProxyType({})
) -> None:
    """Sets the learning rates to a share of their peaks; `apart` has those of kinds of groups that differ."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            rate = apart.get(group.get(KIND, ""), share) * group["initial_lr"]
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


@torch.no_grad()
def bound_filters(network: nn.Module, bound: float) -> None:
    """Scales filters whose root mean square exceeds a bound back to it. Source: Zeiler and Fergus 2013."""
    for weight in _learning(network):
        if weight.ndim == 4:
            size = weight.square().mean((1, 2, 3), keepdim=True).sqrt()
            weight.mul_(bound / size.clamp(min=bound))


def _learning(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _first_layers(network: Trainable) -> list[nn.Parameter]:
    """The parameters of the first layer that has any, in every tower."""
    modules = dict(network.root.named_modules())
    behind: set[str] = set()
    found: list[nn.Parameter] = []
    for step in network.steps:
        own = list(modules[step.path].parameters()) if step.path in modules else []
        after = not behind.isdisjoint(step.sources)
        if not after:
            found += own
        if own or after:
            behind.add(step.path)
    return found


def _decayed(parameters: list[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Two parameter groups: matrices and filters, which decay, and vectors, which do not."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
