"""Predictions as text, JSON and CSV; a file that cannot be read among them."""

from __future__ import annotations

import codecs
import csv
import json

from hubel.model.prediction import Prediction
from hubel.report.prediction import as_csv, as_json, as_text

FOUND = [
    Prediction("a.png", (("고양이", 0.75), ("dog", 0.25))),
    Prediction("b.png", error="cut short"),
]


def test_text() -> None:
    assert list(as_text(FOUND)) == [
        "a.png",
        "    75.00 %  고양이",
        "    25.00 %  dog",
        "b.png: error: cut short",
    ]


def test_json() -> None:
    (said,) = as_json(FOUND)
    assert "고양이" in said
    assert json.loads(said) == [
        {
            "file": "a.png",
            "classes": [{"name": "고양이", "probability": 0.75}, {"name": "dog", "probability": 0.25}],
        },
        {"file": "b.png", "error": "cut short"},
    ]


def test_csv() -> None:
    written = "\n".join(as_csv([*FOUND, Prediction('c, "d".png', (("dog", 1.0),))])).encode()
    assert list(csv.reader(written.decode("utf-8-sig").splitlines())) == [
        ["file", "class", "probability", "error"],
        ["a.png", "고양이", "0.750000", ""],
        ["a.png", "dog", "0.250000", ""],
        ["b.png", "", "", "cut short"],
        ['c, "d".png', "dog", "1.000000", ""],
    ]
    assert written.startswith(codecs.BOM_UTF8)
