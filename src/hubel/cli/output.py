"""A progress bar on standard error."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, ProgressColumn


def bar(*columns: ProgressColumn) -> Progress:
    """Returns a bar on standard error, if that is a terminal, which disappears at the end."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
