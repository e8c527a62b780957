"""Text in parts that a terminal may show in bold or in colour; as a `str` it is plain.

rich has such a text too, but takes 0.1 s to import.
"""

from __future__ import annotations

import shutil
from typing import Literal, TypeAlias

Style: TypeAlias = Literal["", "bold", "dim", "red", "green", "yellow", "cyan"]


class Styled:
    """A text that knows the style of each of its parts."""

    def __init__(self, text: str = "", style: Style = "") -> None:
        self.parts: list[tuple[str, Style]] = []
        self.append(text, style)

    def append(self, text: str | Styled, style: Style = "") -> Styled:
        """Adds a text at the end and returns the whole; a `Styled` keeps its own styles."""
        self.parts += text.parts if isinstance(text, Styled) else [(text, style)]
        return self

    def __str__(self) -> str:
        return "".join(text for text, _ in self.parts)


def terminal_width(elsewhere: int) -> int:
    """The width of the terminal, or of COLUMNS; `elsewhere` where the output goes to a file or a pipe."""
    return shutil.get_terminal_size((elsewhere, 0)).columns
