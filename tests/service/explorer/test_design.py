"""Designing: the ledger of a text, its errors with the rows before, and the layer at the caret."""

from __future__ import annotations

import pytest

import hubel
from hubel.service.explorer.describe import network_json
from hubel.service.explorer.design import MOST_LAYERS, designed, zoo_json, zoo_notation


def test_a_notation_and_its_ledger() -> None:
    text = "conv(6, 5) >> relu >> maxpool(2) >> fc(10)"
    found = designed(text, "32x32x3")
    assert found["error"] == ""
    assert found["network"] == network_json(hubel.ledger(hubel.parse(text), "32x32x3"))
    assert designed("lenet5", "32x32x1")["notation"] == repr(hubel.zoo.lenet5())


def test_an_error_comes_with_the_layers_before_it() -> None:
    found = designed("conv(6, 5) >> relu >> conv(8, 40)", "32x32x1")
    assert "conv2 does not fit 28x28x6" in found["error"]
    assert "at least 40x40 fits" in found["error"]
    assert [step["path"] for step in found["network"]["steps"]] == ["conv1", "relu1"]


def test_strict_says_what_would_fit() -> None:
    loose, strict = (designed("conv(1, 3, stride=3)", "7x7x1", strict=each) for each in (False, True))
    assert loose["network"]["steps"][0]["note"] == "floor: the last 1 row and column unused"
    assert strict["network"] is None
    assert "(7-3+2·0)/3+1 = 2.33" in strict["error"]
    assert "9x9x1 fits (3)" in strict["error"]


@pytest.mark.parametrize(
    ("text", "volume", "words"),
    [
        ("conv(6, 5) >> relo", "32x32x1", "did you mean relu"),
        ("", "32x32x1", "empty"),
        ("conv(6, 5", "32x32x1", "not an expression"),
        ("fc(2)", "32x32", "not a volume"),
        (f"{MOST_LAYERS + 1} * relu", "8x8x1", "at most 2,500 layers"),
        ("x" * 100_001, "8x8x1", "at most 100,000 characters"),
    ],
)
def test_errors_of_the_text(text: str, volume: str, words: str) -> None:
    found = designed(text, volume)
    assert words in found["error"]
    assert found["network"] is None


def test_the_layer_at_the_caret() -> None:
    text = "2 * (conv(4, 3, pad=1) >> relu) >> maxpool(2) >> named('last', conv(8, 3))"
    first, pool, last = (text.index(word) for word in ("conv(4", "maxpool", "conv(8"))
    places = [(first, first + 16), (pool, pool + 10), (last, last + 10)]
    found = [designed(text, "12x12x1", caret=place) for place in places]
    paths = [each["network"]["steps"][each["at"]]["path"] for each in found]
    assert paths == ["conv1", "maxpool1", "last"]
    assert designed(text, "12x12x1", caret=(0, 5))["at"] is None


def test_the_zoo_to_start_from() -> None:
    offered = {each["name"] for each in zoo_json()}
    assert offered >= {"lenet5", "resnet50"}
    assert "resnet1202" not in offered
    assert "at most 2,500 layers" in designed("resnet1202", "32x32x3")["error"]
    found = zoo_notation("lenet5")
    assert hubel.parse(found["notation"]) == hubel.zoo.lenet5()
    assert found["volume"] == "32x32x1"
