"""Predictions as text and JSON; a file that cannot be read among them."""

from __future__ import annotations

import json

from hubel.report.prediction import as_json, as_text
from hubel.ship import Prediction

FOUND = [
    Prediction("a.png", (("고양이", 0.75), ("dog", 0.25))),
    Prediction("b.png", error="b.png: cut short"),
]


def test_text() -> None:
    assert as_text(FOUND).splitlines() == [
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
        {"file": "b.png", "error": "b.png: cut short"},
    ]
