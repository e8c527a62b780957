"""Predictions as text, JSON and CSV; a file that cannot be read among them."""

from __future__ import annotations

import codecs
import csv
import json

from hubel.model.prediction import Prediction
from hubel.report.prediction import CSV_HEADER, as_json, csv_lines, text_lines

FOUND = [
    Prediction("a.png", (("고양이", 0.75), ("dog", 0.25))),
    Prediction("b.png", error="cut short"),
]


def test_text() -> None:
    assert [line for each in FOUND for line in text_lines(each)] == [
        "a.png",
        "    75.00 %  고양이",
        "    25.00 %  dog",
        "b.png: error: cut short",
    ]


def test_json() -> None:
    said = as_json(FOUND)
    assert "고양이" in said
    assert json.loads(said) == [
        {
            "file": "a.png",
            "classes": [{"name": "고양이", "probability": 0.75}, {"name": "dog", "probability": 0.25}],
        },
        {"file": "b.png", "error": "cut short"},
    ]


def test_csv() -> None:
    found = [*FOUND, Prediction('c, "d".png', (("dog", 1.0),))]
    written = "\n".join([CSV_HEADER, *(line for each in found for line in csv_lines(each))]).encode()
    assert list(csv.reader(written.decode("utf-8-sig").splitlines())) == [
        ["file", "class", "probability", "error"],
        ["a.png", "고양이", "0.750000", ""],
        ["a.png", "dog", "0.250000", ""],
        ["b.png", "", "", "cut short"],
        ['c, "d".png', "dog", "1.000000", ""],
    ]
    assert written.startswith(codecs.BOM_UTF8)
