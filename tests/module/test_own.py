"""A module of the user's own as a network, against the module itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hubel.errors import NetworkError, SizeError
from hubel.module.own import OwnNetwork, maker_of


class Small(nn.Module):
    """Two layers; `pair` makes it return its scores twice."""

    def __init__(self, *, pair: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)
        self.pair = pair

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        found: Tensor = self.head(torch.relu(self.norm(self.conv(images))).mean((2, 3)))
        return (found, found) if self.pair else found


def test_it_is_the_module_under_its_own_names() -> None:
    module = Small()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    own = OwnNetwork(module, (16, 12, 3))
    assert own.root is module
    assert tuple(own.output) == (1, 1, 5)
    assert module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
    images = torch.randn(2, 3, 16, 12)
    assert torch.equal(own.eval()(images), module(images))
    assert {step.path for step in own.steps} >= {"conv", "norm", "head"}


def test_scores_of_one_place_lose_their_place() -> None:
    own = OwnNetwork(nn.Sequential(nn.Conv2d(3, 4, 8)), (8, 8, 3))
    assert own(torch.zeros(2, 3, 8, 8)).shape == (2, 4)


def test_the_maker_is_what_one_would_import() -> None:
    assert maker_of(nn.Linear(1, 1)) == "torch.nn.modules.linear:Linear"
    assert maker_of(Small).endswith("test_own:Small")


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"returns a tuple in evaluation; .* one tensor"):
        OwnNetwork(Small(pair=True), (8, 8, 3))
    with pytest.raises(SizeError):
        OwnNetwork(nn.Sequential(nn.Conv2d(3, 4, 9)), (8, 8, 3))
