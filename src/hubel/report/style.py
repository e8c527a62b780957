"""The house's look: its colours, its letters, how matplotlib is set, and how figures are written.

The same figure is always the same bytes, whatever the user has set and whatever day it is.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import ImageFont

INK, MUTED, LINE, PAPER = "#1d1d1f", "#66666b", "#dddad3", "#ffffff"
RIGHT, WRONG = "#2f6fb0", "#c8602b"
"""The house's blue and orange."""

UNDATED: dict[str, dict[str, str | None]] = {
    "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
    "png": {"Software": None},
    "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
}
"""The formats, and what is kept out of their files so that they do not change with day or version."""

FORMS = tuple(UNDATED)
"""What a figure can be written as."""


WIDE = "\u1100"
"""The first of the letters that are as wide as two, Korean, Chinese and Japanese ones among them."""

KOREAN = (
    *("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Nanum Gothic", "UnDotum", "Baekmuk Gulim"),
    *("Apple SD Gothic Neo", "Malgun Gothic"),
)
"""Families of fonts with Korean letters, those that come with systems last."""


def lettering(size: int, *texts: str) -> ImageFont.FreeTypeFont:
    """Pillow's own font of `size` pixels; for texts with Korean letters an installed one, if there is one."""
    if any(letter >= WIDE for text in texts for letter in text) and (file := korean()) is not None:
        return ImageFont.truetype(file, size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


@cache
def korean() -> str | None:
    """The file of an installed font with Korean letters; where there is none, that is said once."""
    from matplotlib.font_manager import findfont

    for name in KOREAN:
        with suppress(ValueError):  # it is not installed
            return str(findfont(name, fallback_to_default=False))
    warnings.warn(
        "no font with Korean, Chinese or Japanese letters is installed: they are drawn as boxes; install "
        f"one of {', '.join(KOREAN[:3])}",
        stacklevel=2,
    )
    return None


@contextmanager
def settings(more: Mapping[Any, Any] | None = None, *, salt: str = "hubel") -> Iterator[None]:
    """Matplotlib as it comes, and `more` of its settings; as the user has it afterwards.

    Text stays text, and ids in an SVG follow from `salt`.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the reader's fonts draw the text, not ours
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": salt, "pdf.fonttype": 42})
        mpl.rcParams.update(more or {})
        yield


def written(figure: Figure, form: str, dpi: float) -> bytes:
    """A figure as `svg`, `png` or `pdf`; `dpi` is for the PNG."""
    out = io.BytesIO()
    figure.savefig(out, format=form, dpi=dpi if form == "png" else 72, metadata=UNDATED[form])
    return out.getvalue()
