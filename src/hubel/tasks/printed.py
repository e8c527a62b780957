"""Results that are shown as text: in a terminal, by `print`, and in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubel.report.styled import Styled


class Printed(ABC):
    """A result whose `str` is what its command prints."""

    __slots__ = ()

    @abstractmethod
    def text(self, width: int | None = None) -> Styled:
        """The text for a terminal of `width` characters; by default as wide as the terminal is."""

    @abstractmethod
    def json(self) -> str:
        """The text that `--json` prints, in the form that the documentation describes."""

    def __str__(self) -> str:
        return str(self.text()).removesuffix("\n")

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"
