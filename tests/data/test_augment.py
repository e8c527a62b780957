"""Augmentation against a search: every variant must be one of those allowed, and all of those must occur."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from hubel.data import ArrayPictures, Augmentation, DataSet, Preprocessing, flip, shift
from hubel.data.pictures import numbered
from hubel.errors import DataError


def images(count: int, height: int = 7, width: int = 9, depth: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randint(1, 256, (count, height, width, depth), dtype=torch.uint8, generator=generator)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(image: torch.Tensor, down: int, across: int) -> torch.Tensor:
    """Moves one image by rolling it, then blackens what came round."""
    rolled = torch.roll(image, (down, across), (0, 1))
    height, width = image.shape[:2]
    rows, columns = torch.arange(height) - down, torch.arange(width) - across
    rolled[(rows < 0) | (rows >= height)] = 0
    rolled[:, (columns < 0) | (columns >= width)] = 0
    return rolled


@pytest.mark.parametrize(("by", "depth"), [(1, 3), (2, 1), (2, 3)])
def test_shift_moves_each_image_by_an_offset_of_its_own(by: int, depth: int) -> None:
    before = images(600, depth=depth)
    after = shift(before, by, seeded(0))
    assert after.shape == before.shape
    assert after.dtype == torch.uint8
    steps = range(-by, by + 1)
    found: Counter[tuple[int, int]] = Counter()
    for old, new in zip(before, after, strict=True):
        offsets = [(y, x) for y in steps for x in steps if torch.equal(moved(old, y, x), new)]
        assert len(offsets) == 1
        found[offsets[0]] += 1
    expected = 600 / len(steps) ** 2
    assert len(found) == len(steps) ** 2
    # chi-square over the offsets: below its mean plus five standard deviations
    freedom = len(found) - 1
    assert (
        sum((count - expected) ** 2 / expected for count in found.values())
        < freedom + 5 * (2 * freedom) ** 0.5
    )


def test_shift_by_nothing_changes_nothing() -> None:
    assert torch.equal(shift(images(4), 0, seeded(0)), images(4))


@pytest.mark.parametrize("by", [-1, 7, 20])
def test_a_shift_out_of_sight_is_refused(by: int) -> None:
    with pytest.raises(DataError, match="does not suit 7x9; give 0 to 6"):
        shift(images(2), by, seeded(0))


def test_flip_mirrors_half_of_the_images() -> None:
    before = images(1000)
    after = flip(before, seeded(1)).numpy()
    mirrored = 0
    for old, new in zip(before.numpy(), after, strict=True):
        if np.array_equal(new, np.fliplr(old)):
            mirrored += 1
        else:
            assert np.array_equal(new, old)
    assert abs(mirrored - 500) < 5 * (1000 / 4) ** 0.5


def test_apply_does_both_and_leaves_the_images_alone() -> None:
    before = images(50)
    kept = before.clone()
    after = Augmentation(flip=True, shift=2).apply(before, seeded(3))
    assert torch.equal(before, kept)
    for old, new in zip(before, after, strict=True):
        ways = [moved(old, y, x) for y in range(-2, 3) for x in range(-2, 3)]
        assert any(torch.equal(way, new) or torch.equal(way.flip(1), new) for way in ways)
    assert torch.equal(after, Augmentation(flip=True, shift=2).apply(before, seeded(3)))
    assert not torch.equal(after, Augmentation(flip=True, shift=2).apply(before, seeded(4)))


def test_apply_of_nothing_is_the_images() -> None:
    assert torch.equal(Augmentation(flip=False, shift=0).apply(images(4), seeded(0)), images(4))


def test_a_negative_shift_is_refused() -> None:
    with pytest.raises(DataError, match="not -1"):
        Augmentation(flip=False, shift=-1)


@pytest.mark.parametrize(
    ("mirror", "volume", "expected"),
    [
        (True, "32x32x3", Augmentation(flip=True, shift=2)),
        (False, "28x28x1", Augmentation(flip=False, shift=1)),
        (False, "8x8x1", Augmentation(flip=False, shift=0)),
        (True, "64x224x3", Augmentation(flip=True, shift=4)),
        (True, "5x5x1", Augmentation(flip=True, shift=0)),
    ],
)
def test_what_fits_a_set(mirror: bool, volume: str, expected: Augmentation) -> None:
    pictures = ArrayPictures(np.arange(2), np.zeros((2, 2, 2, 1), np.uint8), numbered("set", 2))
    dataset = DataSet("set", ("a", "b"), pictures, declared_mirror=mirror)
    assert Augmentation.fitting(dataset, Preprocessing.of(volume)) == expected
