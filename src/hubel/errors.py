"""The exceptions: every error that a user can correct.

    HubelError
    ├── NetworkError     a value that is not a network: bad arguments, clashing names, too large
    │   └── SizeError    a layer or a network that does not fit its input
    ├── NotationError    a text that is not a network
    ├── DataError        images or labels that cannot be used
    ├── ModelError       a model file or weights that cannot be used
    ├── TrainingError    a training run that cannot continue
    └── UsageError       a command line or configuration that asks for something that does not exist
        └── MissingError a layer, a map or a unit that a network does not have

A message says where the error is, what is wrong, why, and what to do. The command line prints it without a
traceback and exits with status 1, or 2 for a `UsageError`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


WORD, QUOTED, LINE, LINES = 200, 160, 300, 40
"""The most characters of a word of a message, of a quoted text and of a line, and the most lines.

What a user wrote may be of any length. A list that has to be whole is on lines of its own.
"""

COUNTED, WHOLE = 40, 500
"""Of a word, such as a path, so many characters count for its line, which has no more than `WHOLE` in all."""

_LONG = re.compile(rf"(?<!\w)(['\"])(?:(?!\1).){{{QUOTED + 1},}}\1(?!\w)|\S{{{WORD + 1},}}")
"""A quoted text or a word that is too long. An apostrophe within a word opens no quotation."""

FEW = 5
"""How many of many names a message gives."""


class HubelError(Exception):
    """The base class of all errors of hubel. Its text is kept short, whatever it quotes."""

    def __str__(self) -> str:
        text = _LONG.sub(lambda found: shortened(found[0]), super().__str__())
        *lines, rest = text.split("\n", LINES)
        lines.append(" ".join(rest.split("\n")))
        return "\n".join(map(_bounded, lines))


class NetworkError(HubelError):
    """A value that is not a network."""


class SizeError(NetworkError):
    """A layer or a network that does not fit its input."""


class NotationError(HubelError):
    """A text that is not a network; the message marks the error with a caret."""


class DataError(HubelError):
    """Images or labels that cannot be used."""


class ModelError(HubelError):
    """A model file or weights that cannot be used."""


class TrainingError(HubelError):
    """A training run that cannot continue."""


class UsageError(HubelError):
    """A command line or configuration that asks for something that does not exist."""


class MissingError(UsageError):
    """A layer, a map or a unit that a network does not have."""


def shortened(text: str, most: int = 80) -> str:
    """Returns a text on one line, its middle left out where it has more than `most` characters."""
    line = " ".join(text.split())
    half = (most - 1) // 2
    return line if len(line) <= most else f"{line[:half]}…{line[-half:]}"


def _bounded(line: str) -> str:
    """A line of a message; the middle of one that is too long is left out between words."""
    counted = sum(min(len(word), COUNTED) + 1 for word in line.split(" ")) - 1
    if counted <= LINE and len(line) <= WHOLE:
        return line
    paths = sum(max(0, len(word) - COUNTED) for word in line[: LINE // 2].split(" "))
    head, tail = line[: LINE // 2 + paths], line[-LINE // 2 :]
    if (cut := len(head) - 1 - head.rfind(" ")) < COUNTED:
        head = head[: len(head) - cut].rstrip()
    if (cut := tail.find(" ")) < COUNTED:
        tail = tail[cut + 1 :]
    return f"{head} … {tail}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns `; did you mean X?` for the known name most like `name`, or an empty text.

    Of names that are equally alike, the one with the nearest number is taken: resnet34 for resnet35.
    """
    from difflib import SequenceMatcher  # only errors need it, so not at every start

    name = name[:WORD]

    def likeness(word: str) -> tuple[float, int]:
        return SequenceMatcher(None, word, name).ratio(), -abs(_number(word) - _number(name))

    close = max(known, key=likeness, default="")
    return f"; did you mean {close}?" if close and likeness(close)[0] >= 0.5 else ""


def first_few(names: Iterable[str]) -> str:
    """Returns the first five names and the number of the others: `a, b, c, d, e and 995 more`."""
    every = list(names)
    rest = f" and {len(every) - FEW:,} more" if len(every) > FEW else ""
    return ", ".join(every[:FEW]) + rest


def nearest_or_few(name: str, known: Iterable[str], what: str) -> str:
    """Returns what `nearest` does; where no name is alike, the first few: `; its layers are a, b`."""
    every = list(known)
    return nearest(name, every) or f"; its {what} are {first_few(every)}"


def _number(name: str) -> int:
    """Returns the first number in a name, or 0."""
    found = re.search(r"\d{1,9}", name)
    return int(found[0]) if found else 0
