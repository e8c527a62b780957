"""The style of all figures: colours, fonts, matplotlib's settings, and how files are written.

The same figure always gives the same bytes, whatever the user's settings and the date.
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
"""Blue for correct, orange for wrong predictions."""

UNDATED: dict[str, dict[str, str | None]] = {
    "svg": dict.fromkeys(("Creator", "Date", "Format", "Type")),
    "png": {"Software": None},
    "pdf": dict.fromkeys(("Creator", "Producer", "CreationDate")),
}
"""The formats, and the metadata left out so that files do not change with the date or a version."""

FORMS = tuple(UNDATED)
"""The formats in which a figure can be written."""

WIDE = "\u1100"
"""The first of the letters of double width, among them Korean, Chinese and Japanese ones."""

KOREAN = (
    *("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Nanum Gothic", "UnDotum", "Baekmuk Gulim"),
    *("Apple SD Gothic Neo", "Malgun Gothic"),
)
"""Font families with Korean letters, those of operating systems last."""


def lettering(size: int, *texts: str) -> ImageFont.FreeTypeFont:
    """Returns Pillow's font of `size` pixels, or an installed font for texts with Korean letters."""
    if any(letter >= WIDE for text in texts for letter in text) and (file := korean()) is not None:
        return ImageFont.truetype(file, size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


@cache
def korean() -> str | None:
    """Returns the file of an installed font with Korean letters; warns once if there is none."""
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
    """Uses matplotlib's defaults and `more` settings, and restores the user's settings afterwards.

    Text stays text, and the ids in an SVG depend on `salt` alone.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the reader's fonts draw the text, not ours
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": salt, "pdf.fonttype": 42})
        mpl.rcParams.update(more or {})
        yield


def written(figure: Figure, form: str, dpi: float) -> bytes:
    """Returns a figure as `svg`, `png` or `pdf`; `dpi` is for the PNG."""
    out = io.BytesIO()
    figure.savefig(out, format=form, dpi=dpi if form == "png" else 72, metadata=UNDATED[form])
    return out.getvalue()
