"""Where output goes: a bar on standard error, the file of an image."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import Progress, ProgressColumn

from hubel.errors import UsageError

FORMS = ("svg", "png", "pdf")
"""What an image can be written as."""


def bar(*columns: ProgressColumn) -> Progress:
    """A bar on standard error where that is a terminal, gone when it is done; of rich's columns or these."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def image_form(path: Path, forms: tuple[str, ...] = FORMS) -> str:
    """What an image's file is to be, by its name. Raises UsageError: something else, or no place for it."""
    form = path.suffix.lower().removeprefix(".")
    if form not in forms:
        known = ", ".join(f".{each}" for each in forms)
        raise UsageError(f"an image is written as one of {known}; {str(path)!r} is none of them")
    check_place(path)
    return form


def check_place(path: Path) -> None:
    """Raises UsageError: no file can be written there."""
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {str(path.parent)!r} to write {path.name} to")
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder")
