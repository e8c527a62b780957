"""The interval of a share: against the score test itself, and a published example."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.counted import Z, counted, interval, percent, within


def test_the_quantile_is_the_normal_distributions() -> None:
    assert pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-12) == Z


def edge(part: int, whole: int, inside: float, outside: float) -> float:
    """Where the score test of `part` of `whole` begins to reject, between two shares: by bisection."""
    for _ in range(200):
        middle = (inside + outside) / 2
        score = abs(part / whole - middle) / math.sqrt(middle * (1 - middle) / whole)
        inside, outside = (middle, outside) if score <= NormalDist().inv_cdf(0.975) else (inside, middle)
    return inside


@given(st.integers(1, 100_000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_the_interval_holds_what_the_score_test_does_not_reject(counts: tuple[int, int]) -> None:
    part, whole = counts
    low, high = interval(part, whole)
    share = min(max(part / whole, 1e-12), 1 - 1e-12)
    assert low == pytest.approx(edge(part, whole, share, 1e-15) if part else 0, abs=1e-7)
    assert high == pytest.approx(edge(part, whole, share, 1 - 1e-15) if part < whole else 1, abs=1e-7)


def test_a_published_example() -> None:
    """Newcombe 1998, table I: the score method's intervals of 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    examples = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611)}
    for (part, whole), expected in (examples | {(1, 29): (0.0061, 0.1718)}).items():
        assert interval(part, whole) == pytest.approx(expected, abs=5e-5)


def test_nothing_counted_says_nothing() -> None:
    assert interval(0, 0) == (0, 1)


def test_as_text() -> None:
    assert percent(0.98765) == "98.77 %"
    assert within(6, 12) == "6 of 12; 95 % interval 25.38 to 74.62 %"
    assert counted(467, 500) == "93.40 % (467 of 500; 95 % interval 90.88 to 95.26 %)"
    assert counted(1200, 1200).startswith("100.00 % (1,200 of 1,200; 95 % interval 99.68 to 100.00 %")
