"""The clock of a timed run, by hand."""

from __future__ import annotations

import pytest

from hubel.training.clock import Clock


@pytest.mark.parametrize(
    ("finishing", "hurried", "after"), [(30.0, False, 40.0), (40.0, False, 50.0), (41.0, True, 10 + 41 / 6)]
)
def test_several_views_take_at_most_half_of_what_is_left(
    finishing: float, hurried: bool, after: float
) -> None:
    """Of 100 seconds 10 are over and 10 are for writing; of the 80 left 6 views may take 40."""
    clock = Clock(1, limit=100.0)
    assert clock.unreserved
    clock.reserve(10.0, writing=10.0, finishing=finishing, views="mirror-shift")
    assert clock.hurried == hurried
    assert clock.after == pytest.approx(after)
    assert not clock.unreserved


def test_a_run_by_epochs_reserves_nothing() -> None:
    assert not Clock(3).unreserved
