"""The form of a file to write: what its name asks for, and whether there is a place for it."""

from __future__ import annotations

from pathlib import Path

from hubel.errors import UsageError

FORMS = ("svg", "png", "pdf")
"""The forms an image can be written in."""


def image_form(path: Path, forms: tuple[str, ...] = FORMS) -> str:
    """Returns the form that a file's name asks for.

    Raises UsageError: a form other than `forms`, or no folder to write to.
    """
    return form_of(path, forms, "an image")


def form_of(path: Path, forms: tuple[str, ...], what: str) -> str:
    """Returns the form that a file's name asks for; `what` is written to it.

    Raises UsageError: a form other than `forms`, or no folder to write to.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in forms:
        known = ", ".join(f".{each}" for each in forms)
        raise UsageError(f"{what} is written as one of {known}; {str(path)!r} is none of them")
    check_place(path)
    return form


def check_place(path: Path) -> None:
    """Raises UsageError: no file can be written at this path."""
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {str(path.parent)!r} to write {path.name} to")
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder")
