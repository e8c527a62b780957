"""Batches: every picture once an epoch, whatever the sizes, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.data import Augmentation, Batches, Decoded, Preprocessing
from hubel.data.pictures import numbered
from hubel.errors import DataError

PREPROCESSING = Preprocessing(4, 5, 1, (0.25,), (0.5,))


def decoded(count: int) -> Decoded:
    """Pictures told apart by their value, which is their label too."""
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 5, 1))
    return Decoded(images.copy(), np.arange(count), numbered("set", count))


def order(batches: Batches, epoch: int) -> list[int]:
    return [int(label) for _, labels in batches.epoch(epoch) for label in labels]


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.booleans(), st.integers(0, 3))
def test_every_picture_comes_once_and_with_its_label(
    count: int, batch: int, shuffle: bool, epoch: int
) -> None:
    batches = Batches(decoded(count), PREPROCESSING, batch, shuffle)
    labels, sizes = [], []
    for images, of in batches.epoch(epoch):
        assert images.dtype == torch.float32
        assert of.dtype == torch.int64
        assert images.shape == (len(of), 1, 4, 5)
        torch.testing.assert_close(images, ((of / 255 - 0.25) / 0.5).view(-1, 1, 1, 1).expand_as(images))
        labels += of.tolist()
        sizes.append(len(of))
    assert sorted(labels) == list(range(count))
    assert shuffle or labels == list(range(count))
    assert len(sizes) == len(batches)
    assert all(size == batch for size in sizes[:-1])
    assert 1 <= sizes[-1] <= batch + (batch > 1)
    assert sizes[-1] > 1 or count == 1 or batch == 1


@pytest.mark.parametrize(
    ("count", "batch", "sizes"),
    [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (8, 4, [4, 4]), (1, 4, [1]), (5, 4, [5]), (3, 1, [1, 1, 1])],
)
def test_a_last_batch_of_one_joins_the_one_before(count: int, batch: int, sizes: list[int]) -> None:
    found = [len(labels) for _, labels in Batches(decoded(count), PREPROCESSING, batch).epoch(0)]
    assert found == sizes


def test_epochs_differ_and_can_be_repeated() -> None:
    batches = Batches(decoded(100), PREPROCESSING, 8, shuffle=True, seed=7)
    third = order(batches, 3)
    assert third != order(batches, 2)
    assert third == order(Batches(decoded(100), PREPROCESSING, 8, shuffle=True, seed=7), 3)
    assert third != order(Batches(decoded(100), PREPROCESSING, 8, shuffle=True, seed=8), 3)
    assert third != order(Batches(decoded(100), PREPROCESSING, 8, shuffle=True, seed=3), 7)


def test_augmented_batches_repeat_too_and_leave_the_pictures_alone() -> None:
    rng = np.random.default_rng(0)
    source = Decoded(rng.integers(1, 256, (30, 4, 5, 1), dtype=np.uint8), np.arange(30), numbered("set", 30))
    kept = source.images.copy()
    batches = Batches(source, PREPROCESSING, 8, shuffle=True, augmentation=Augmentation(flip=True, shift=1))
    first, again, other = (torch.cat([images for images, _ in batches.epoch(e)]) for e in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert np.array_equal(source.images, kept)
    plain = torch.cat([images for images, _ in Batches(source, PREPROCESSING, 8, shuffle=True).epoch(0)])
    assert not torch.equal(first, plain)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(DataError, match="at least 0, not -1"):
        Batches(decoded(3), PREPROCESSING, 2, seed=-1)


def test_random_numbers_of_others_are_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(Batches(decoded(9), PREPROCESSING, 4, True, Augmentation(flip=True, shift=1)).epoch(0))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("count", "batch", "preprocessing", "reason"),
    [
        (3, 0, PREPROCESSING, "at least 1 picture, not 0"),
        (0, 4, PREPROCESSING, "there are no pictures"),
        (3, 4, Preprocessing.of("5x4x1"), "the pictures are 4x5x1, but the preprocessing makes 5x4x1"),
    ],
)
def test_what_cannot_be_cut_is_refused(
    count: int, batch: int, preprocessing: Preprocessing, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        Batches(decoded(count), preprocessing, batch)
