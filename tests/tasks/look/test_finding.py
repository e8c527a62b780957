"""What a finding shows of itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubel.tasks.look.finding import Arrays, Finding


@dataclass(frozen=True, eq=False, repr=False)
class Found(Finding):
    """A finding of so many arrays, and a text."""

    instrument = "sieve"

    found: int
    words: str = ""

    def draw(self, form: str) -> bytes:
        return b""

    def json(self) -> str:
        return "[]"

    def named_arrays(self) -> Arrays:
        known = {"primes": np.array([2.0, 3.0, np.nan, 7.0]), "none": np.empty((0, 3), np.uint8)}
        return known | {f"row{at}": np.zeros((2, 5), np.int64) for at in range(self.found)}

    def text(self) -> str:
        return self.words


def test_its_repr_has_the_main_figures_on_one_screen() -> None:
    assert repr(Found(0)).splitlines() == [
        "sieve: .save(path) as png, .json(), .arrays",
        f"  {'primes':<28} float64 4, 2 to 7",
        f"  {'none':<28} uint8 0 x 3",
    ]
    lines = repr(Found(100, "of 200\n" + "wide " * 50)).splitlines()
    assert lines[1] == "  of 200"
    assert {len(lines), len(lines[2])} == {20, 102}
    assert lines[-1] == "  ... and 86 lines more"  # 105 in all, of which 19 are there
    assert str(Found(0)) == repr(Found(0))
    assert str(Found(0, "two")) == "two"
