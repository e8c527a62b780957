"""Shares of counted images: how sure a share is that was measured on so many, and how it is written."""

from __future__ import annotations

import math
from typing import TypeAlias

Interval: TypeAlias = tuple[float, float]
"""The least and the greatest of a share that are in keeping with what was counted, from 0 to 1."""

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution, which makes an interval one of 95 %."""


def interval(part: int, whole: int) -> Interval:
    """Returns the 95 % confidence interval of a share; from 0 to 1 where nothing was counted.

    Source: Wilson 1927, the score interval.
    """
    if not whole:
        return 0.0, 1.0
    share, spread = part / whole, Z * Z / whole
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt((share * (1 - share) + spread / 4) / whole)
    return (max(0.0, middle - half) if part else 0.0), (min(1.0, middle + half) if part < whole else 1.0)


def percent(share: float) -> str:
    """Returns a share as a percentage with two decimals: `93.40 %`."""
    return f"{100 * share:.2f} %"


def between(part: int, whole: int) -> str:
    """The 95 % interval of a share: `25.38 to 74.62 %`."""
    low, high = interval(part, whole)
    return f"{100 * low:.2f} to {percent(high)}"


def within(part: int, whole: int) -> str:
    """A share's count and its 95 % interval: `6 of 12; 95 % interval 25.38 to 74.62 %`."""
    return f"{part:,} of {whole:,}; 95 % interval {between(part, whole)}"


def counted(part: int, whole: int) -> str:
    """A share with its count and its 95 % interval: `50.00 % (6 of 12; 95 % interval 25.38 to 74.62 %)`."""
    return f"{percent(part / whole)} ({within(part, whole)})"
