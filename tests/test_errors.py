"""Messages of errors: short, whatever they quote."""

from __future__ import annotations

import pytest

import hubel
from hubel.errors import LINE, HubelError, nearest, shortened

LONG = "x" * 100_000


def test_a_long_word_is_not_echoed_whole() -> None:
    text = str(HubelError(f"there is no network {LONG}; see\n    hubel zoo"))
    assert text == f"there is no network {'x' * 39}…{'x' * 38}; see\n    hubel zoo"
    assert str(HubelError("a b\n" * 40)) == "a b\n" * 40
    assert len(str(HubelError("a b " * 100_000))) < 510
    assert len(str(HubelError("a b\n" * 100_000))) < 670
    assert str(HubelError("there is no 'a b'; it is the machine's, not anybody's")).endswith("anybody's")
    quoted = str(HubelError(f"there is no class {'a b ' * 100!r}; choose {LONG[:50]!r}"))
    assert quoted == f"there is no class {shortened(repr('a b ' * 100))}; choose {LONG[:50]!r}"


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
        assert len(str(caught.value)) < 1510
        assert max(map(len, str(caught.value).split("\n"))) < 510


def test_a_list_that_is_too_long_is_cut_between_its_names() -> None:
    names = [f"layer{at}" for at in range(100)]
    head, _, tail = str(HubelError(", ".join(names))).partition(" … ")
    assert len(head) + len(tail) <= LINE
    assert set(head.rstrip(",").split(", ")) | set(tail.split(", ")) < set(names)


def test_a_long_word_at_the_cut_is_not_lost() -> None:
    text = str(HubelError(f"{'a/' * 90}x: {'word ' * 60}"))
    assert text.startswith("a/" * 75)
