"""Figures do not hang on what the user has set, and leave it as it was."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont

from hubel.report.style import FORMS, INK, korean, lettering, settings, written


def drawn(form: str) -> bytes:
    with settings({"text.color": INK}, salt="test"):
        figure = Figure(figsize=(1, 1))
        figure.add_axes((0.2, 0.2, 0.6, 0.6)).plot([0, 1], [1, 0], label="a line")
        figure.text(0.1, 0.1, "text $that$ stays")
        return written(figure, form, 72)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_figure_is_the_same_bytes_whatever_the_user_has_set(form: str) -> None:
    plain = drawn(form)
    with mpl.rc_context({"axes.facecolor": "red", "lines.linewidth": 9, "svg.fonttype": "path"}):
        assert drawn(form) == plain
        assert mpl.rcParams["axes.facecolor"] == "red"
        assert mpl.rcParams["lines.linewidth"] == 9


def test_settings_are_taken_back_after_an_error() -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(ValueError, match="no size"), settings({"font.size": 3}):
        mpl.rcParams["font.size"] = "no size"
    assert dict(mpl.rcParams) == before


def test_korean_letters_take_a_font_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which need not be installed: any font's file stands for it here."""
    file = findfont("DejaVu Sans Mono")
    plain = lettering(11, "cat").getname()
    monkeypatch.setattr("hubel.report.style.korean", lambda: file)
    assert lettering(11, "cat", "고양이").getname() == ("DejaVu Sans Mono", "Book")
    assert lettering(11, "cat", "é").getname() == plain
    monkeypatch.setattr("hubel.report.style.korean", lambda: None)
    assert lettering(11, "고양이").getname() == plain


def test_an_installed_font_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.report.style.KOREAN", ("No Such Font", "DejaVu Serif"))
    korean.cache_clear()
    assert Path(korean() or "").name == "DejaVuSerif.ttf"
    korean.cache_clear()
    monkeypatch.setattr("hubel.report.style.KOREAN", ("No Such Font",))
    with pytest.warns(UserWarning, match="install one of No Such Font"):
        assert korean() is None
    korean.cache_clear()
