"""Exact statistics: batch normalisation by averages over many training images, in place of running ones."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubel.data.feed.batches import Batch

BATCHES = 50
"""From how many batches of an epoch the averages are taken, at most."""


@torch.no_grad()
def set_exact_statistics(network: nn.Module, batches: Iterable[Batch]) -> int:
    """Sets every batch normalisation to the mean and variance of its inputs, and returns how many there are.

    The network sees the batches as in training, each layer normalising by the batch; the variance is that of
    all inputs together, not the mean over the batches. It is left in evaluation mode.

    Source: He et al. 2015, the note on their released models, whose running statistics were replaced after
    training; the pooled variance after Wu and Johnson 2021, section 3.
    """
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    sums = {norm: _Sums() for norm in norms}
    hooks = [norm.register_forward_pre_hook(sums[norm]) for norm in norms]
    rates = {norm: norm.momentum for norm in norms}
    counts = {norm: copy.deepcopy(norm.num_batches_tracked) for norm in norms}
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 0.0
    try:
        for images, _ in islice(batches, BATCHES) if norms else ():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
        for norm, rate in rates.items():
            norm.momentum, norm.num_batches_tracked = rate, counts[norm]
        network.eval()
    for norm, found in sums.items():
        found.write(norm)
    return len(norms)


class _Sums:
    """The sums of a layer's inputs by map, and of their squares, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Tensor | float = 0.0
        self.second: Tensor | float = 0.0

    def __call__(self, _norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        """Takes an input in."""
        values = given[0].transpose(0, 1).flatten(1).double()
        self.count += values.shape[1]
        self.first = self.first + values.sum(1)
        self.second = self.second + values.square().sum(1)

    def write(self, norm: _BatchNorm) -> None:
        """Gives a layer the statistics."""
        if not self.count:
            return
        mean = torch.as_tensor(self.first) / self.count
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(torch.as_tensor(self.second) / self.count - mean.square())
