"""Arguments that are one of a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hubel.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

Word = TypeVar("Word", bound=str)


def one_of(option: str, given: str, known: Sequence[Word]) -> Word:
    """The word that was given. Raises UsageError: it is none of those that are known."""
    for word in known:
        if word == given:
            return word
    raise UsageError(f"{option} is one of {', '.join(known)}, not {given!r}{nearest(given, known)}")
