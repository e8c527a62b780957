"""Splits: counted by class, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.data.dataset import ArrayImages, DataSet, FileImages, numbered
from hubel.data.split import held_out, with_val
from hubel.errors import DataError

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@settings(deadline=None)
@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_every_class_is_in_both_parts_if_possible(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]], fraction: float, seed: int
) -> None:
    stay, out = held_out(labels, fraction, seed)
    assert sorted([*stay, *out]) == list(range(len(labels)))
    assert list(stay) == sorted(stay)
    assert list(out) == sorted(out)
    held = Counter(labels[out].tolist())
    for label, count in Counter(labels.tolist()).items():
        if count == 1:
            assert held[label] == 0
        else:
            assert 1 <= held[label] <= count - 1
            assert abs(held[label] - fraction * count) <= 1


def test_a_fifth_of_a_hundred_is_twenty_of_each() -> None:
    _, out = held_out(np.repeat([0, 1, 2], 100), 0.2, 0)
    assert Counter((out // 100).tolist()) == {0: 20, 1: 20, 2: 20}


def test_seeds_differ_and_repeat() -> None:
    labels = np.repeat([0, 1], 50)
    first, again, other = (held_out(labels, 0.2, seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def dataset(labels: list[int]) -> DataSet:
    pixels = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    images = ArrayImages(np.array(labels), pixels, numbered("set", len(labels)))
    return DataSet("set", ("a", "b"), images, test=images, declared_mirror=True)


def test_validation_is_taken_from_train_and_the_rest_stays() -> None:
    whole = dataset([0, 1] * 5)
    split = with_val(whole, 0.4, 3)
    assert split.val is not None
    names = [images.name(index) for images in (split.train, split.val) for index in range(len(images))]
    assert sorted(names) == [f"set/{number}" for number in range(10)]
    assert np.bincount(split.val.labels).tolist() == [2, 2]
    assert (split.test, split.declared_mirror, split.classes) == (whole.test, True, ("a", "b"))


def test_no_validation_set_is_held_out_for_a_share_of_0_or_twice() -> None:
    whole = dataset([0, 1, 1])
    assert with_val(whole, 0, 0) is whole
    split = with_val(whole, 0.5, 0)
    assert with_val(split, 0.5, 0) is split


def test_a_set_with_nothing_to_spare_is_refused() -> None:
    with pytest.raises(DataError, match=r"none can be held out .* add images"):
        with_val(dataset([0, 1]), 0.5, 0)


GROUPED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 11)), min_size=1, max_size=60).map(np.array)


@settings(deadline=None)
@given(GROUPED, st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_no_group_is_on_both_sides_and_no_class_is_held_out_whole(
    pairs: np.ndarray[tuple[int, int], np.dtype[np.int64]], fraction: float, seed: int
) -> None:
    labels, groups = pairs.T
    stay, out = held_out(labels, fraction, seed, groups)
    assert sorted([*stay, *out]) == list(range(len(labels)))
    assert not set(groups[stay]) & set(groups[out])
    assert set(labels[stay]) == set(labels)


@settings(deadline=None)
@given(GROUPED, st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_with_groups_of_one_class_each_class_is_held_out_to_within_a_group(
    pairs: np.ndarray[tuple[int, int], np.dtype[np.int64]], fraction: float, seed: int
) -> None:
    labels, groups = pairs[:, 0], pairs[:, 0] + 4 * pairs[:, 1]
    _, out = held_out(labels, fraction, seed, groups)
    held = Counter(labels[out].tolist())
    for label, count in Counter(labels.tolist()).items():
        sizes = Counter(groups[labels == label].tolist()).values()
        if len(sizes) == 1:
            assert held[label] == 0
        else:
            assert 1 <= held[label] < count
            assert abs(held[label] - fraction * count) <= max(sizes)


@settings(deadline=None)
@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_groups_of_one_image_make_no_difference(
    labels: np.ndarray[tuple[int], np.dtype[np.int64]], fraction: float, seed: int
) -> None:
    _, grouped = held_out(labels, fraction, seed, np.arange(len(labels)))
    _, plain = held_out(labels, fraction, seed)
    assert Counter(labels[grouped].tolist()) == Counter(labels[plain].tolist())


def test_a_class_whose_groups_are_all_large_gives_its_smallest() -> None:
    labels, groups = np.repeat([0, 1], 30), np.repeat([0, 1, 2, 3], [17, 13, 20, 10])
    _, out = held_out(labels, 0.1, 0, groups)
    assert sorted(set(groups[out])) == [1, 3]


def test_val_keeps_groups_whole() -> None:
    labels, groups = np.tile([0, 1], 20), np.repeat(np.arange(10), 4)
    paths = tuple(Path(f"{number}.png") for number in range(40))
    split = with_val(DataSet("set", ("a", "b"), FileImages(labels, paths, groups)), 0.2, 0)
    assert isinstance(split.train, FileImages)
    assert isinstance(split.val, FileImages)
    assert split.train.groups is not None
    assert split.val.groups is not None
    assert len(set(split.val.groups)) == 2
    assert not set(split.train.groups) & set(split.val.groups)
    assert [int(path.stem) // 4 for path in split.val.paths] == split.val.groups.tolist()


def test_a_set_whose_classes_are_one_group_each_is_refused() -> None:
    images = FileImages(np.array([0, 0, 1]), (Path("a"), Path("b"), Path("c")), np.array([0, 0, 1]))
    with pytest.raises(DataError, match=r"every class has one group .* add images"):
        with_val(DataSet("set", ("a", "b"), images), 0.5, 0)
