"""Optimizers against singular values, hand computation and torch's own."""

from __future__ import annotations

import math

import pytest
import torch

from hubel import build, parse
from hubel.training.settings.recipe import Recipe
from hubel.training.step.muon import Muon, _by_square, _directly, orthogonal
from hubel.training.step.optimizer import BIAS_LR, HEAD_LR, muon, set_rates


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (16, 16)])
def test_an_orthogonal_direction_has_singular_values_near_1(shape: tuple[int, int]) -> None:
    """After five iterations as published; the vectors are those of the matrix."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(matrix, 5)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.linalg.svdvals(found).sub(1).abs().max() < 0.5
    assert values.max() / values.min() > 1.5
    polar = left @ right
    cosine = (found * polar).sum() / found.norm() / polar.norm()
    assert cosine > 0.97


@pytest.mark.parametrize("shape", [(8, 30), (16, 16)])
def test_both_ways_to_orthogonal_give_the_polynomial_of_the_singular_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix *= torch.logspace(0, -3, shape[0], dtype=torch.float64)[:, None]
    left, values, right = torch.linalg.svd(matrix / matrix.norm(), full_matrices=False)
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    expected = left * values @ right
    for way in (_directly, _by_square):
        torch.testing.assert_close(way(matrix / matrix.norm(), 3), expected)
        found = way((matrix / matrix.norm()).float(), 3)
        torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=0)


def test_a_step_of_muon_by_hand() -> None:
    """Norm sqrt(filters), then the orthogonal direction of Nesterov's momentum times the rate."""
    weight = torch.nn.Parameter(torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(1)))
    gradient = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(2))
    before, weight.grad = weight.detach().clone(), gradient.clone()
    Muon([weight], lr=0.1, momentum=0.6).step()
    direction = orthogonal((gradient * 1.6).flatten(1)).view_as(before)
    torch.testing.assert_close(weight.detach(), before * 2 / before.norm() - 0.1 * direction)


def test_who_moves_by_which_rule() -> None:
    """Filter banks by Muon; biases and the head by SGD; batch norm's scales by none."""
    network = build(parse("conv(4, 3) >> batchnorm >> relu >> fc(2)"), "8x8x1")
    recipe = Recipe(optimizer="muon", lr=0.24, momentum=0.6, batch=500, weight_decay=1e-3)
    banks, others = muon(network, recipe.rates)
    names = {parameter: name for name, parameter in network.named_parameters()}
    assert [names[p] for p in banks.param_groups[0]["params"]] == ["conv1.weight"]
    groups = {tuple(names[p] for p in group["params"]): group for group in others.param_groups}
    assert set(groups) == {("fc1.weight",), ("conv1.bias", "batchnorm1.bias", "fc1.bias")}
    assert banks.param_groups[0]["lr"] == pytest.approx(0.24 * math.sqrt(500 / 2000))
    assert groups[("fc1.weight",)]["lr"] == pytest.approx(HEAD_LR / 2 / 144**2)
    for group in groups.values():  # what a step takes off a weight, whatever its rate
        assert group["lr"] * group["weight_decay"] == pytest.approx(1e-3)
    assert groups[("conv1.bias", "batchnorm1.bias", "fc1.bias")]["lr"] == pytest.approx(BIAS_LR / 2)


@pytest.mark.parametrize("looked_up", [False, True])
def test_rates_are_shares_of_their_peaks(looked_up: bool) -> None:
    """As numbers, or in tensors, which stay where they are; each as torch's own SGD moves by it."""
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.5, fused=True)
    group = optimizer.param_groups[0]
    group["initial_lr"] = group["lr"]
    if looked_up:
        group["lr"] = torch.tensor(0.5)
    before = group["lr"]
    set_rates([optimizer], 0.25)
    assert (group["lr"] is before) == looked_up
    weight.grad = torch.ones(2)
    optimizer.step()
    assert weight.tolist() == [0.875, 0.875]
