"""Which images of a set are taken."""

from __future__ import annotations

from hubel.tasks.look.images import evenly


def test_evenly() -> None:
    assert evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly(3, 100).tolist() == [0, 1, 2]
