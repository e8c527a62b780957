"""The texts of the page: both languages have every text, with the same values in it."""

from __future__ import annotations

import re
from typing import cast

from hubel.service.explorer.page import assets

_ENTRY = re.compile(r'^  "?([\w.]+)"?: "((?:[^"\\]|\\.)*)",$', re.M)
_ASKED = re.compile(r'\bt\("([\w.]+)"')
_MADE = re.compile(r"\bt\(`([\w.]*)\$\{")


def dictionary(name: str) -> dict[str, str]:
    return dict(_ENTRY.findall(assets()[f"words/{name}.js"].decode()))


def test_both_languages_have_the_same_texts() -> None:
    english, korean = dictionary("en"), dictionary("ko")
    assert list(english) == list(korean)
    assert len(english) > 150
    for key, text in english.items():
        values = [set(re.findall(r"\{\w+\}", each)) for each in (text, korean[key])]
        assert values[0] == values[1], key


def test_korean_is_korean() -> None:
    same = {key for key, text in dictionary("ko").items() if not re.search("[가-힣]", text)}
    assert same <= {"network.title", "image.of", "said.scores", "column.macs", "figure.macs", "part.k"}


def test_every_text_that_is_asked_for_exists_and_is_asked_for() -> None:
    english = dictionary("en")
    code = "\n".join(content.decode() for path, content in assets().items() if path.endswith(".js"))
    asked = set(_ASKED.findall(code))
    assert asked <= set(english)
    beginnings = tuple(cast("list[str]", _MADE.findall(code)))
    written = set(
        re.findall(r'"([\w.]+)"', re.sub(r"(?s)export const (english|korean) = \{.*?\n\};", "", code))
    )
    unused = {key for key in english if key not in asked | written and not key.startswith(beginnings)}
    assert unused == set()
