"""The policy: its ranges, and that it does what it states in the documented order."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest
import torch

from hubel.data.augment.colour import Colours, jitter, pca
from hubel.data.augment.geometry import alternate, crop, cutout, erase, flip, rescaled, shift
from hubel.data.augment.policy import Augmentation
from hubel.data.augment.trivial import trivial
from hubel.errors import UsageError

EVERYTHING = Augmentation(
    "random", 2, crop=0.4, scales=(256, 512), cutout=3, erase=0.5, pca=0.2, jitter=0.3, trivial=True
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, depth: int = 3) -> torch.Tensor:
    return torch.randint(1, 256, (count, 7, 9, depth), dtype=torch.uint8, generator=seeded(5))


def applied(policy: Augmentation, before: torch.Tensor, seed: int, epoch: int = 0) -> torch.Tensor:
    indices = torch.arange(len(before))
    return policy.apply(before, seeded(seed), indices=indices, epoch=epoch, colours=Colours.of(before))


@pytest.mark.parametrize("depth", [1, 3])
def test_apply_follows_the_documented_order(depth: int) -> None:
    before = images(50, depth)
    kept = before.clone()
    colours, generator = Colours.of(before), seeded(3)
    expected = rescaled(crop(before, 0.4, generator), 224 / 256, 224 / 512, generator)
    expected = shift(flip(expected, generator), 2, generator)
    expected = jitter(trivial(expected, generator), 0.3, generator)
    expected = cutout(pca(expected, 0.2, colours, generator), 3, colours.mean, generator)
    expected = erase(expected, 0.5, colours.mean, generator)
    after = applied(EVERYTHING, before, 3)
    assert torch.equal(after, expected)
    assert torch.equal(before, kept)
    assert after.dtype == torch.uint8
    assert torch.equal(after, applied(EVERYTHING, before, 3))
    assert not torch.equal(after, applied(EVERYTHING, before, 4))


def test_alternating_flips_follow_indices_and_epoch() -> None:
    before = images(20)
    policy = Augmentation("alternating")
    for epoch in (0, 1):
        expected = alternate(before, torch.arange(20), epoch)
        assert torch.equal(applied(policy, before, 0, epoch), expected)
        assert torch.equal(applied(policy, before, 1, epoch), expected)
    assert torch.equal(applied(policy, before, 0, 0).flip(2), applied(policy, before, 0, 1))


def test_without_colours_those_of_the_images_are_used() -> None:
    before = images(20)
    policy = Augmentation(pca=0.5, cutout=4)
    alone = policy.apply(before, seeded(1), indices=torch.arange(20), epoch=0)
    assert torch.equal(alone, applied(policy, before, 1))


def test_an_empty_policy_returns_the_images() -> None:
    assert torch.equal(applied(Augmentation(), images(4), 0), images(4))
    assert not Augmentation().mixes
    assert not Augmentation("random", 2, jitter=0.2).needs_colours


def test_a_policy_is_restored_from_its_fields() -> None:
    assert Augmentation(**asdict(EVERYTHING)) == EVERYTHING
    assert {type(value) for value in asdict(EVERYTHING).values()} == {str, int, float, bool, tuple}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"flip": "alternate"}, "none, random, alternating, not 'alternate'; did you mean alternating"),
        ({"flip": True}, "not True"),
        ({"shift": -1}, "shift is a number of pixels of at least 0, not -1"),
        ({"cutout": -2}, "cutout is a number of pixels of at least 0, not -2"),
        ({"crop": 0.0}, "crop is a share of the area above 0 and at most 1, not 0.0"),
        ({"crop": 1.1}, "not 1.1"),
        ({"crop": math.nan}, "not nan"),
        ({"jitter": 1.5}, "jitter is from 0 to 1, not 1.5"),
        ({"erase": 1.5}, "erase is from 0 to 1, not 1.5"),
        ({"scales": (256.0,)}, "scales is none or two lengths in pixels"),
        ({"scales": (200.0, 256.0)}, "of at least 224 and rising"),
        ({"scales": (512.0, 256.0)}, "of at least 224 and rising"),
        ({"pca": -0.1}, "pca is a finite number of at least 0, not -0.1"),
        ({"mixup": math.inf}, "mixup is a finite number of at least 0, not inf"),
        ({"cutmix": math.nan}, "cutmix is a finite number of at least 0, not nan"),
    ],
)
def test_a_value_out_of_range_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Augmentation(**fields)
