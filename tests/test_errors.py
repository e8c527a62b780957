"""Messages of errors: short, whatever they quote."""

from __future__ import annotations

import pytest

import hubel
from hubel.errors import HubelError, nearest, shortened

LONG = "x" * 100_000


def test_a_long_word_is_not_echoed_whole() -> None:
    text = str(HubelError(f"there is no network {LONG}; see\n    hubel zoo"))
    assert text == f"there is no network {'x' * 39}…{'x' * 38}; see\n    hubel zoo"
    assert str(HubelError("a b\n" * 200)) == "a b\n" * 200
    assert len(str(HubelError("a b " * 100_000))) < 1010


def test_a_short_text_stays() -> None:
    assert shortened("one two") == "one two"
    assert shortened("one\n two", 5) == "on…wo"


def test_the_nearest_of_a_long_name_is_found_at_once() -> None:
    assert nearest(LONG, ["resnet18"]) == ""


@pytest.mark.parametrize("text", [LONG, "x " * 50_000, f"{LONG}(3)", f"conv(3, {LONG})", "9" * 100_000])
def test_unknown_names_give_short_errors(text: str) -> None:
    for ask in (hubel.load, hubel.parse, hubel.table, lambda name: hubel.train("digits", net=name)):
        with pytest.raises(HubelError) as caught:
            ask(text)
        assert len(str(caught.value)) < 1010
