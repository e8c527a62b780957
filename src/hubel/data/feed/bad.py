"""Images that cannot be used: which ones, why, and whether to stop or skip them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from hubel.errors import DataError

OnBad: TypeAlias = Literal["stop", "skip"]
"""What to do with unreadable images: stop with an error that lists them, or skip them."""

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Bad:
    """An image that cannot be used: its name and the reason."""

    name: str
    reason: str


class UnusableError(DataError):
    """Some of `count` images cannot be used; the message lists the first 20 by name.

    Where all have the same reason, it names the first alone.
    """

    def __init__(self, bad: list[Bad], count: int) -> None:
        hint = " (or leave them out with --on-bad skip)"
        super().__init__(_message(bad, count, hint if len(bad) < count else ""))
        self.bad = bad
        self.count = count


def _message(bad: list[Bad], count: int, hint: str) -> str:
    lines = [f"{each.name}: {each.reason}" for each in bad[:_MOST_NAMED]]
    if len(bad) == 1:
        return lines[0]
    if len(bad) == count and len({each.reason for each in bad}) == 1:
        return f"{count:,} of {count:,} images cannot be used, all for the same reason: {lines[0]}"
    if len(bad) > _MOST_NAMED:
        lines.append(f"and {len(bad) - _MOST_NAMED:,} more")
    head = f"{len(bad):,} of {count:,} images cannot be used; repair or remove them{hint}:"
    return "\n  ".join([head, *lines])
