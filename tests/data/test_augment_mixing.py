"""Mixing: a target states the shares of which the image is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from hubel.data.augment.mixing import cutmix, mixup
from hubel.data.augment.policy import Augmentation

Mixer = Callable[[torch.Tensor, torch.Tensor, float, torch.Generator], tuple[torch.Tensor, torch.Tensor]]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(count: int, height: int = 12, width: int = 10) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose values all are their number, each of a class of its own."""
    values = torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(count, 3, height, width)
    return values.contiguous(memory_format=torch.channels_last), torch.eye(count)


@pytest.mark.parametrize("mixer", [mixup, cutmix])
def test_targets_state_the_share_of_each_image(mixer: Mixer) -> None:
    images, targets = numbered(300)
    mixed, shares = mixer(images, targets, 1.0, seeded(0))
    assert mixed.shape == images.shape
    assert mixed.dtype == shares.dtype == torch.float32
    torch.testing.assert_close(shares.sum(1), torch.ones(300))
    # the mean of a mixed image is the mean of the images' numbers, weighted by its target
    torch.testing.assert_close(mixed.mean((1, 2, 3)), shares @ torch.arange(300.0), rtol=1e-4, atol=1e-3)
    assert torch.equal(images, numbered(300)[0])
    assert torch.equal(targets, torch.eye(300))
    assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_mixup_is_the_formula_for_every_pair() -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn((64, 3, 5, 4), generator=generator)
    mixed, shares = mixup(images, torch.eye(64), 0.4, seeded(0))
    own = shares.diagonal()
    for place in range(64):
        others = shares[place].clone()
        others[place] = 0
        partner = int(others.argmax()) if others.any() else place
        expected = own[place] * images[place] + (1 - own[place]) * images[partner]
        torch.testing.assert_close(mixed[place], expected)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_drawn_from_a_beta(alpha: float) -> None:
    images, targets = numbered(3000, 1, 1)
    own = mixup(images, targets, alpha, seeded(2))[1].diagonal().double()
    # of Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)); one in 3000 is its own partner
    assert own.mean() == pytest.approx(0.5, abs=0.05)
    assert own.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_cutmix_pastes_one_rectangle_of_the_partner() -> None:
    images, targets = numbered(400)
    mixed, shares = cutmix(images, targets, 1.0, seeded(3))
    sides: list[tuple[int, int]] = []
    for place in range(400):
        planes = mixed[place].numpy()
        assert (planes == planes[:1]).all()
        foreign = planes[0] != place
        if not foreign.any():
            assert shares[place, place] == pytest.approx(1)
            continue
        rows, columns = np.flatnonzero(foreign.any(1)), np.flatnonzero(foreign.any(0))
        assert foreign.sum() == len(rows) * len(columns)
        assert (np.diff(rows) == 1).all()
        assert (np.diff(columns) == 1).all()
        partner = int(planes[0][foreign][0])
        assert (planes[0][foreign] == partner).all()
        assert shares[place, partner] == pytest.approx(foreign.mean(), abs=1e-6)
        sides.append((len(rows), len(columns)))
    # with alpha 1 the share pasted is uniform before clipping, so sides of all lengths occur
    assert len(sides) > 200
    assert {height for height, _ in sides} > set(range(2, 11))
    assert {width for _, width in sides} > set(range(2, 9))


def test_rectangles_are_as_large_as_in_yun() -> None:
    images, targets = numbered(2000, 20, 30)
    pasted = 1 - cutmix(images, targets, 1.0, seeded(4))[1].diagonal().double()
    rng = np.random.default_rng(0)
    areas = []
    for share in rng.beta(1.0, 1.0, 4000):  # algorithm 1 of the paper's appendix A, with its clipping
        cut = np.sqrt(1 - share)
        x, y = int(rng.integers(30)), int(rng.integers(20))
        wide, tall = int(30 * cut) // 2, int(20 * cut) // 2
        across = min(x + wide, 30) - max(x - wide, 0)
        areas.append(across * (min(y + tall, 20) - max(y - tall, 0)) / 600)
    spread = float(np.std(areas)) * (1 / 2000 + 1 / 4000) ** 0.5
    assert float(pasted.mean()) == pytest.approx(np.mean(areas), abs=5 * spread)
    assert float(pasted.std()) == pytest.approx(np.std(areas), rel=0.1)


def test_the_policy_uses_mixup_or_cutmix_per_batch() -> None:
    images = torch.randn((32, 3, 6, 6), generator=seeded(0))
    labels = torch.arange(32) % 5
    hot = F.one_hot(labels, 5).float()
    both = Augmentation(mixup=0.5, cutmix=1.0)
    kinds = []
    for seed in range(40):
        mixed, targets = both.mix(images, labels, 5, seeded(seed))
        assert targets.shape == (32, 5)
        torch.testing.assert_close(targets.sum(1), torch.ones(32))
        torch.testing.assert_close(targets.mean(0).sum(), torch.tensor(1.0))
        kinds.append(bool(torch.isin(mixed, images).all()))  # cutmix makes no new values
    assert 8 < sum(kinds) < 32
    cut, _ = Augmentation(cutmix=1.0).mix(images, labels, 5, seeded(0))
    assert torch.isin(cut, images).all()
    blended, _ = Augmentation(mixup=1.0).mix(images, labels, 5, seeded(0))
    assert not torch.isin(blended, images).all()
    same, targets = Augmentation().mix(images, labels, 5, seeded(0))
    assert torch.equal(same, images)
    assert torch.equal(targets, hot)
