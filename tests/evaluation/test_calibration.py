"""Calibration by hand, against a plain search, and against temperatures that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.evaluation.calibration import Reliability, temperature


def test_reliability_by_hand() -> None:
    """Ranges are a fifteenth wide; 0.2 is the upper end of the third, 0.95 and 0.99 are in the last."""
    said = torch.tensor([0.2, 0.15, 0.95, 0.99, 0.97], dtype=torch.float64)
    found = Reliability.of(said, torch.tensor([True, False, True, True, False]))
    assert found.images.nonzero().flatten().tolist() == [2, 14]
    assert found.images[[2, 14]].tolist() == [2, 3]
    assert found.confidence[[2, 14]].tolist() == pytest.approx([0.175, 0.97])
    assert found.accuracy[[2, 14]].tolist() == pytest.approx([0.5, 2 / 3])
    assert found.confidence.isnan().sum() == 13
    assert found.error == pytest.approx((2 * 0.325 + 3 * (0.97 - 2 / 3)) / 5)


def test_reliability_as_a_plain_loop_has_it() -> None:
    generator = np.random.default_rng(1)
    said, hits = generator.uniform(0.1, 1, 500), generator.uniform(size=500) < 0.6
    error = 0.0
    for number in range(15):
        here = (said > number / 15) & (said <= (number + 1) / 15)
        if here.any():
            error += here.mean() * abs(said[here].mean() - hits[here].mean())
    assert Reliability.of(torch.from_numpy(said), torch.from_numpy(hits)).error == pytest.approx(error)


def drawn(classes: int, scale: float, seen: int = 400) -> tuple[Tensor, Tensor]:
    """Scores whose softmax at the temperature `scale` is what labels are drawn from."""
    generator = torch.Generator().manual_seed(classes)
    scores = 2 * torch.randn(seen, classes, generator=generator)
    labels = torch.multinomial(scores.softmax(1), 1, generator=generator).flatten()
    return scale * scores, labels


def loss(scores: Tensor, labels: Tensor, at: float) -> float:
    return F.cross_entropy(scores.double() / at, labels).item()


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("scale", [1e-3, 0.3, 1.0, 4.0, 1e3])
def test_the_temperature_is_where_the_loss_is_smallest(classes: int, scale: float) -> None:
    scores, labels = drawn(classes, scale)
    found = temperature(scores, labels)
    candidates = scale * np.geomspace(0.1, 10, 2001)
    best = candidates[np.argmin([loss(scores, labels, at) for at in candidates])]
    assert found == pytest.approx(best, rel=2e-3)
    slope = loss(scores, labels, found * 1.0001) - loss(scores, labels, found / 1.0001)
    assert abs(slope) < 1e-8


def test_many_drawn_images_give_the_temperature_they_were_drawn_at() -> None:
    assert temperature(*drawn(5, 2.5, seen=20_000)) == pytest.approx(2.5, rel=0.05)


def test_two_classes_by_hand() -> None:
    """With scores 1 apart and three of four right, the share said is 3/4 at 1 / T = ln 3."""
    scores = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
    assert temperature(scores, torch.tensor([0, 0, 0, 1])) == pytest.approx(1 / math.log(3))


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ([[2.0, 0.0], [0.0, 1.0]], [0, 1]),  # all right: the smaller the better, without an end
        ([[1.0, 0.0], [1.0, 0.0]], [1, 1]),  # all wrong: the larger the better
        ([[0.0, 0.0], [0.0, 0.0]], [0, 1]),  # all the same
        ([[math.nan, 0.0], [1.0, 0.0]], [0, 1]),
        ([[math.inf, 0.0], [1.0, 0.0]], [1, 1]),
    ],
)
def test_where_no_temperature_is_best_it_stays_one(scores: list[list[float]], labels: list[int]) -> None:
    assert temperature(torch.tensor(scores), torch.tensor(labels)) == 1


def test_one_image_that_is_barely_wrong() -> None:
    scores = torch.tensor([[8.0, 0.0]] * 99 + [[0.01, 0.0]])
    labels = torch.tensor([0] * 99 + [1])
    found = temperature(scores, labels)
    assert 0 < found < 1
    assert loss(scores, labels, found) <= min(loss(scores, labels, found * by) for by in (0.99, 1.01))
