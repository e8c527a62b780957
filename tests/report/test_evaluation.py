"""Evaluations as text, JSON, classes and pairs, checked by hand."""

from __future__ import annotations

import codecs
import csv
import json
import math
import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hubel.evaluation.metrics import Evaluation
from hubel.evaluation.model import ModelEvaluation
from hubel.report.evaluation import ClassLine, as_json, as_text, class_lines, confused_pairs
from hubel.report.mistakes import mistakes_csv

CLASSES = ("cat", "dog", "eel")
PROBABILITIES = torch.tensor(
    [
        [0.8, 0.1, 0.1],  # cat, correct
        [0.3, 0.6, 0.1],  # cat, predicted as dog
        [0.05, 0.9, 0.05],  # cat, predicted as dog with more confidence
        [0.1, 0.7, 0.2],  # dog, correct
        [0.2, 0.5, 0.3],  # dog, correct
    ]
)


def evaluation(scores: Tensor, labels: list[int], classes: tuple[str, ...] = CLASSES) -> ModelEvaluation:
    names = ["a.png", "b.png", 'c,"d".png', "e.png", "f.png"]
    return ModelEvaluation(
        scores, torch.tensor(labels), classes=classes, names=tuple(names[: len(labels)]), split="val"
    )


FOUND = evaluation(PROBABILITIES.log(), [0, 0, 0, 1, 1])


def test_each_class_by_hand() -> None:
    cat, dog, eel = class_lines(CLASSES, FOUND)
    assert cat == ClassLine("cat", images=3, predicted=1, correct=1, precision=1.0, recall=1 / 3, f1=0.5)
    assert dog == ClassLine("dog", images=2, predicted=4, correct=2, precision=0.5, recall=1.0, f1=2 / 3)
    assert eel == ClassLine("eel", images=0, predicted=0, correct=0, precision=None, recall=None, f1=None)


def test_pairs_by_hand() -> None:
    assert confused_pairs(CLASSES, FOUND) == [("cat", "dog", 2, 3)]
    more = Evaluation(torch.eye(3)[[1, 1, 2, 0, 0, 2]], torch.tensor([0, 0, 0, 1, 1, 2]))
    pairs = [("cat", "dog", 2, 3), ("dog", "cat", 2, 2), ("cat", "eel", 1, 3)]
    assert confused_pairs(CLASSES, more) == pairs
    assert confused_pairs(CLASSES, more, most=1) == pairs[:1]
    assert confused_pairs(CLASSES, more, least=2) == pairs[:2]


def test_text() -> None:
    lines = as_text(FOUND).splitlines()
    loss = -sum(map(math.log, (0.8, 0.3, 0.05, 0.7, 0.5))) / 5
    assert lines[0] == f"val: 5 images, loss {loss:.4f} nats"
    assert lines[1] == (
        "top-1 60.00 % (3 of 5; 95 % interval 23.07 to 88.24 %); chance is 60.00 %, the largest class"
    )
    assert lines[2] == f"macro-F1 58.33 %, calibration error {100 * FOUND.ece:.2f} %"
    heads = ["recall", "of images", "95 % interval", "precision", "of predicted", "95 % interval", "F1"]
    assert re.split(r"  +", lines[3].strip()) == heads
    cat = [
        "33.33 %",
        "1 of 3",
        "6.15 to 79.23 %",
        "100.00 %",
        "1 of 1",
        "20.65 to 100.00 %",
        "50.00 %",
        "cat",
    ]
    assert re.split(r"  +", lines[4].strip()) == cat
    assert re.split(r"  +", lines[6].strip()) == ["–", "0 of 0", "–", "–", "0 of 0", "–", "–", "eel"]


def test_text_of_many_classes_at_a_temperature() -> None:
    found = evaluation(torch.arange(6.0).repeat(4, 1), [0, 1, 5, 5], tuple("abcdef")).at(0.5)
    said = as_text(found)
    assert "top-5 75.00 % (3 of 4; 95 % interval 30.06 to 95.44 %)" in said
    assert "top-1 50.00 % (2 of 4; 95 % interval 15.00 to 85.00 %); chance is 50.00 %" in said
    assert f"calibration error {100 * found.ece:.2f} %, {100 * found.at(1).ece:.2f} % before" in said
    assert "before temperature 0.5" in said


def test_json_has_everything() -> None:
    warm = FOUND.at(2.0)
    said = json.loads(as_json(replace(warm, known=7)))
    assert said["trained_on"] == 7
    assert (said["correct"], said["chance"], said["correct5"], said["interval5"]) == (3, 0.6, None, None)
    assert said["interval"] == pytest.approx([0.230724, 0.882379], abs=1e-5)
    assert (said["split"], said["images"], said["top1"], said["top5"]) == ("val", 5, 0.6, None)
    assert said["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert (said["loss"], said["ece"], said["temperature"]) == (warm.loss, warm.ece, 2.0)
    assert said["at_temperature_1"] == {"loss": FOUND.loss, "ece": FOUND.ece}
    assert said["classes"]["dog"] == {
        "images": 2,
        "predicted": 4,
        "correct": 2,
        "recall_interval": pytest.approx([0.342372, 1], abs=1e-5),
        "precision_interval": pytest.approx([0.150039, 0.849961], abs=1e-5),
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
    }
    assert said["classes"]["eel"]["recall"] is None
    assert said["confusion"] == [[1, 2, 0], [0, 2, 0], [0, 0, 0]]
    assert said["confused"] == [{"truth": "cat", "prediction": "dog", "images": 2}]
    ranges = said["reliability"]
    assert sum(each["images"] for each in ranges) == 5
    assert all(each["above"] < each["confidence"] <= each["to"] for each in ranges)


def test_json_has_no_nan() -> None:
    said = as_json(evaluation(torch.full((2, 3), math.nan), [0, 1]))
    assert json.loads(said, parse_constant=pytest.fail)["loss"] is None


def test_mistakes_as_a_spreadsheet_reads_them() -> None:
    written = mistakes_csv(CLASSES, FOUND, FOUND.names).encode()
    assert written.startswith(codecs.BOM_UTF8)
    first, second = csv.DictReader(written.decode("utf-8-sig").splitlines())
    assert first == {
        "path": 'c,"d".png',
        "truth": "cat",
        "prediction": "dog",
        "probability": "0.900000",
        "probability_of_truth": "0.050000",
    }
    assert second["path"] == "b.png"
