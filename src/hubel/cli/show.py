"""How the text of a result is printed: with colours in a terminal, plainly elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from hubel.report.styled import Style, Styled


def show(text: Styled) -> None:
    """Prints a text, with its styles where they can be seen."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        typer.echo(coloured(text).removesuffix("\n"))
    else:
        print(str(text).removesuffix("\n"))


def coloured(text: Styled) -> str:
    """The text with the codes of its styles."""
    return "".join(typer.style(part, **_codes(style)) if style else part for part, style in text.parts)


def _codes(style: Style) -> dict[str, Any]:
    return {style: True} if style in ("bold", "dim") else {"fg": style}
