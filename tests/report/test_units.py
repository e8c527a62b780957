"""Numbers as text, by hand."""

from __future__ import annotations

import pytest

from hubel.report.units import count, duration, memory, short


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (456, "456"),
        (999.4, "999"),
        (999_499, "999 k"),
        (999_999, "1 M"),
        (60_965_224, "61 M"),
        (1_427_400_000, "1.43 G"),
        (3e12, "3 T"),
    ],
)
def test_short(number: float, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (12, "12 bytes"),
        (999_999, "1.00 MB (0.95 MiB)"),
        (60_950_432, "60.95 MB (58.13 MiB)"),
        (1_660_290_528, "1.66 GB (1.55 GiB)"),
        (1_824, "1.82 kB (1.78 KiB)"),
    ],
)
def test_memory(size: int, text: str) -> None:
    assert memory(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.97, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_count() -> None:
    assert count(60_965_224) == "60,965,224"
