"""Optimizers without torch's compiler: it is not loaded, and they move weights as torch's do."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from hubel.training.step.optimizer import Rates, adamw, sgd

WITHOUT = """
import sys
import torch
from hubel.training.step.optimizer import OPTIMIZERS, Rates
for make in OPTIMIZERS.values():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 2), torch.nn.Flatten(), torch.nn.Linear(2, 2))
    optimizers = make(network, Rates(0.1, 0.9, 0.01, 8))
    network(torch.ones(1, 1, 2, 2)).sum().backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.load_state_dict(optimizer.state_dict())
        optimizer.zero_grad()
print("torch._dynamo" in sys.modules)
"""


def test_the_compiler_is_not_loaded() -> None:
    found = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_weights_move_as_by_torch() -> None:
    rates = Rates(0.1, 0.9, 0.01, 8)
    start = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))

    def moved(make: object) -> torch.Tensor:
        network = nn.Linear(4, 3, bias=False)
        network.weight.data.copy_(start)
        assert callable(make)
        optimizer = make(network)
        assert isinstance(optimizer, Optimizer)
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.ones(2, 4)).square().sum().backward()
            optimizer.step()
        return network.weight.detach()

    def by_sgd(network: nn.Linear) -> Optimizer:
        return SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=0.01, fused=True)

    def by_adamw(network: nn.Linear) -> Optimizer:
        return AdamW(network.parameters(), 0.1, (0.9, 0.999), weight_decay=0.01, fused=True)

    assert torch.equal(moved(lambda network: sgd(network, rates)[0]), moved(by_sgd))
    assert torch.equal(moved(lambda network: adamw(network, rates)[0]), moved(by_adamw))
