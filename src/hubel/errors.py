"""The exception tree: every error that is a user's to mend.

    HubelError
    ├── NetworkError     a value that is no network: bad arguments, clashing names, too large
    │   └── SizeError    a layer or a network that does not fit its input
    ├── NotationError    a text that is no network
    ├── DataError        images or labels that cannot be used
    ├── ModelError       a model file or weights that cannot be used
    ├── TrainingError    a training run that cannot go on
    └── UsageError       a command line or configuration that asks for what does not exist

A message says where, what, why, and what would fit. The command line prints it without a traceback
and exits with 1, or with 2 for a `UsageError`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class HubelError(Exception):
    """What every error of hubel is."""


class NetworkError(HubelError):
    """A value that is no network."""


class SizeError(NetworkError):
    """A layer or a network that does not fit its input."""


class NotationError(HubelError):
    """A text that is no network; the message shows the place with a caret."""


class DataError(HubelError):
    """Images or labels that cannot be used."""


class ModelError(HubelError):
    """A model file or weights that cannot be used."""


class TrainingError(HubelError):
    """A training run that cannot go on."""


class UsageError(HubelError):
    """A command line or configuration that asks for what does not exist."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns `; did you mean X?` for the known name most like `name`, by its number too; or nothing."""
    from difflib import SequenceMatcher  # what is needed for errors alone is not imported at every start

    def likeness(word: str) -> tuple[float, int]:
        return SequenceMatcher(None, word, name).ratio(), -abs(_number(word) - _number(name))

    close = max(known, key=likeness, default="")
    return f"; did you mean {close}?" if close and likeness(close)[0] >= 0.5 else ""


def _number(name: str) -> int:
    """The first number in a name."""
    found = re.search(r"\d{1,9}", name)
    return int(found[0]) if found else 0
