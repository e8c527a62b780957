"""The moving average of the weights: it ends nearer the middle of the valley than the last step does."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from hubel.module.own import Trainable


class Average:
    """A network whose weights are the exponential moving average of another's.

    Early on the decay is held below (1 + steps) / (10 + steps), so that the first weights are soon
    forgotten. Running statistics are averaged as well. Source: Polyak and Juditsky 1992; Tan and Le 2019
    for the bound.
    """

    def __init__(self, network: Trainable, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Takes a step's weights in."""
        share = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        kept, new = _floats(self.network), _floats(network)
        torch._foreach_lerp_(kept, new, share)


def _floats(network: nn.Module) -> list[Tensor]:
    return [value for value in network.state_dict().values() if value.is_floating_point()]
