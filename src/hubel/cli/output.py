"""A progress bar on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


def bar(*columns: ProgressColumn) -> Progress:
    """Returns a bar on standard error, if that is a terminal, which disappears at the end."""
    from rich.console import Console  # 0.1 s, which help does not need
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
