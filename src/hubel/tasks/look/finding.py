"""What an instrument found: numbers, which are drawn, written or printed only on request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from hubel.files import write_whole
from hubel.report.form import FORMS, form_of
from hubel.report.units import count

if TYPE_CHECKING:
    import numpy.typing as npt

Arrays: TypeAlias = "Mapping[str, npt.NDArray[Any]]"

PNG = ("png",)
"""The forms of a figure made of pixels."""

DRAWING = FORMS
"""The forms of a figure made of lines and letters."""

PAGE = ("html",)
TEXT = ("txt",)

LINES, WIDTH = 20, 100
"""The most lines of a `repr`, and characters of a line."""


@dataclass(frozen=True, eq=False, repr=False)
class Finding(ABC):
    """What an instrument found; each instrument has its own.

    `found` is the instrument's own result, as `hubel.instruments` defines it. `print(finding)` prints the
    text of the command; in a notebook a finding shows itself.
    """

    instrument: ClassVar[str]
    forms: ClassVar[tuple[str, ...]] = PNG

    found: Any

    @abstractmethod
    def draw(self, form: str) -> bytes:
        """Returns the file of the figure, page or text in one of `forms`."""

    @abstractmethod
    def json(self) -> str:
        """Returns what the command prints with `--json`."""

    @abstractmethod
    def named_arrays(self) -> Arrays:
        """Makes `arrays`."""

    def text(self) -> str:
        """Returns what the command prints; an empty text if it only draws."""
        return ""

    @cached_property
    def arrays(self) -> Arrays:
        """The numbers as named arrays; the instrument's method says which."""
        return self.named_arrays()

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
        return self.text() or repr(self)

    def __repr__(self) -> str:
        lines = [f"{self.instrument}: .save(path) as {' or '.join(self.forms)}, .json(), .arrays"]
        lines += self.text().splitlines()
        lines += (_figures(name, each) for name, each in self.arrays.items())
        if len(lines) > LINES:
            lines[LINES - 1 :] = [f"... and {count(len(lines) - LINES + 1)} lines more"]
        return "\n  ".join(line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines)

    def _repr_png_(self) -> bytes | None:
        return self.draw("png") if "png" in self.forms else None

    def _repr_html_(self) -> str | None:
        if self.forms == PAGE:
            page = escape(self.draw("html").decode())
            return f'<iframe srcdoc="{page}" style="width:100%;height:80vh;border:0"></iframe>'
        return f"<pre>{escape(str(self))}</pre>" if self.forms == TEXT else None


def _figures(name: str, values: np.ndarray[Any, Any]) -> str:
    """A named array in a line: its type, its shape, its least and its greatest value."""
    form = f"{name:<28} {values.dtype} {' x '.join(map(str, values.shape))}"
    known = values[~np.isnan(values)] if values.dtype.kind in "iuf" else np.empty(0)
    return f"{form}, {known.min():.4g} to {known.max():.4g}" if known.size else form
