"""What an instrument found: numbers, which are drawn, written or printed only on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hubel.files import write_whole
from hubel.report.form import FORMS, form_of

if TYPE_CHECKING:
    import numpy.typing as npt

Arrays: TypeAlias = "Mapping[str, npt.NDArray[Any]]"

PNG = ("png",)
"""The forms of a figure made of pixels."""

DRAWING = FORMS
"""The forms of a figure made of lines and letters."""

PAGE = ("html",)
TEXT = ("txt",)


@dataclass(frozen=True, eq=False, repr=False)
class Finding:
    """What an instrument found.

    `found` is the instrument's own result, as `hubel.instruments` defines it. `draw` returns the file of
    one of `forms`. `print(finding)` prints the text of the command; in a notebook a finding shows itself.
    """

    instrument: str
    found: Any
    forms: tuple[str, ...]
    draw: Callable[[str], bytes]
    to_json: Callable[[], str]
    to_arrays: Callable[[], Arrays]
    to_text: Callable[[], str] | None = None

    @cached_property
    def arrays(self) -> Arrays:
        """The numbers as named arrays; the instrument's method says which."""
        return self.to_arrays()

    def json(self) -> str:
        """Returns what the command prints with `--json`."""
        return self.to_json()

    def save(self, path: str | Path) -> Path:
        """Writes the figure, page or text that the command writes, whole or not at all.

        The ending of the name chooses the form. Raises UsageError: a form not in `forms`, or no such folder.
        """
        path = Path(path)
        names: dict[tuple[str, ...], str] = {TEXT: "the text", PAGE: "the page"}
        what = names.get(self.forms, "an image")
        write_whole(path, self.draw(form_of(path, self.forms, what)))
        return path

    def __str__(self) -> str:
        return repr(self) if self.to_text is None else self.to_text()

    def __repr__(self) -> str:
        return f"<{self.instrument}: .save(path) as {' or '.join(self.forms)}, .json(), .arrays>"

    def _repr_png_(self) -> bytes | None:
        return self.draw("png") if "png" in self.forms else None

    def _repr_html_(self) -> str | None:
        if self.forms == PAGE:
            page = escape(self.draw("html").decode())
            return f'<iframe srcdoc="{page}" style="width:100%;height:80vh;border:0"></iframe>'
        return f"<pre>{escape(str(self))}</pre>" if self.forms == TEXT else None
