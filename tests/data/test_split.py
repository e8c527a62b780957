"""Splits: counted by class, and the same for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.data import ArrayPictures, DataSet
from hubel.data.pictures import numbered
from hubel.data.split import held_out, with_val
from hubel.errors import DataError

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@settings(deadline=None)
@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_every_class_is_in_both_parts_as_far_as_it_can(
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
    pictures = ArrayPictures(np.array(labels), pixels, numbered("set", len(labels)))
    return DataSet("set", ("a", "b"), pictures, test=pictures, declared_mirror=True)


def test_val_is_taken_from_train_and_the_rest_stays() -> None:
    whole = dataset([0, 1] * 5)
    split = with_val(whole, 0.4, 3)
    assert split.val is not None
    names = [pictures.name(index) for pictures in (split.train, split.val) for index in range(len(pictures))]
    assert sorted(names) == [f"set/{number}" for number in range(10)]
    assert np.bincount(split.val.labels).tolist() == [2, 2]
    assert (split.test, split.declared_mirror, split.classes) == (whole.test, True, ("a", "b"))


def test_no_val_is_taken_for_nothing_or_twice() -> None:
    whole = dataset([0, 1, 1])
    assert with_val(whole, 0, 0) is whole
    split = with_val(whole, 0.5, 0)
    assert with_val(split, 0.5, 0) is split


def test_a_set_with_nothing_to_spare_is_refused() -> None:
    with pytest.raises(DataError, match=r"none can be held out .* give val=0"):
        with_val(dataset([0, 1]), 0.5, 0)
