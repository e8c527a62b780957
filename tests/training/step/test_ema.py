"""The moving average, by hand: of the weights and of batch normalisation's running statistics."""

from __future__ import annotations

import torch

from hubel import build, parse
from hubel.training.step.ema import Average


def test_the_average_by_hand() -> None:
    network = build(parse("conv(2, 3) >> batchnorm >> fc(2)"), "4x4x1")
    average = Average(network, 0.2)
    names = ("conv1.weight", "batchnorm1.running_mean", "fc1.bias")
    expected = {name: network.state_dict()[name].clone() for name in names}
    for share in (1 - 1 / 10, 1 - 2 / 11, 0.8, 0.8):  # from the third step on, 3/12, the decay is the smaller
        with torch.no_grad():
            for value in network.state_dict().values():
                value.add_(1)
        average.update(network)
        for name in names:
            expected[name].lerp_(network.state_dict()[name], share)
    for name in names:
        torch.testing.assert_close(average.network.state_dict()[name], expected[name])
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
