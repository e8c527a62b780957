"""Values in a notebook: well-formed HTML with their numbers, in which everything is escaped."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch

from hubel import build, conv, fc, named, relu
from hubel.data.image.preprocess import Preprocessing
from hubel.evaluation.model import ModelEvaluation
from hubel.model.file import Model
from hubel.net.ledger import ledger
from hubel.report.notebook import MOST_CLASSES, html, of_run

NASTY = "<script>&\"'"
NET = named("first", conv(4, 3)) >> relu >> fc(3)


def texts(page: str) -> list[str]:
    """The texts of a page, which is parsed as XML: whatever is not escaped breaks it or adds an element."""
    root = ElementTree.fromstring(f"<page>{page}</page>")
    assert not list(root.iter("script"))
    return [text.strip() for text in root.itertext() if text.strip()]


def test_a_network_is_its_notation() -> None:
    assert texts(NET._repr_html_()) == [repr(NET)]


def test_a_ledger_is_a_table() -> None:
    found = texts(ledger(NET, "8x8x3")._repr_html_())
    assert {"first", "conv(4, 3)", "112", "6x6x4"} <= set(found)


def test_a_model_is_a_table_of_facts() -> None:
    network = build(NET, "8x8x3", scores=True)
    model = Model(
        network,
        (NASTY, "b", "c"),
        Preprocessing.of("8x8x3"),
        {"data": NASTY, "val_top1": 0.5, "val_images": 4},
    )
    found = texts(model._repr_html_())
    assert {
        "Model of 3 classes",
        f"{NASTY}, b, c",
        NASTY,
        "50.00 % (2 of 4; 95 % interval 15.00 to 85.00 %), validation images",
    } <= set(found)


def evaluation(count: int) -> ModelEvaluation:
    classes = (NASTY, *map(str, range(count - 1)))
    return ModelEvaluation(
        torch.eye(count)[[0, 1, 1]],
        torch.tensor([0, 0, 1]),
        classes=classes,
        names=("a", "b", "c"),
        split="test",
    )


def test_an_evaluation_has_its_numbers_and_its_classes() -> None:
    found = texts(evaluation(3)._repr_html_())
    assert {
        "3 (test)",
        "66.67 % (2 of 3; 95 % interval 20.77 to 93.85 %)",
        NASTY,
        "50.00 %",
        "66.67 %",
    } <= set(found)
    assert "prediction" in found, "the confusion matrix"
    many = texts(evaluation(MOST_CLASSES + 7)._repr_html_())
    assert "and 7 classes with a higher F1" in many
    assert "prediction" not in many


@dataclass
class Run:
    folder: Path
    history: list[dict[str, Any]] = field(default_factory=list)


def test_a_run_has_its_last_rounds() -> None:
    line = {"train_loss": 0.25, "val_loss": 0.5, "val_top1": 0.75, "seconds": 3.0}
    rounds = [line | {"epoch": number, "best": number == 30} for number in range(1, 31)]
    found = texts(of_run(Run(Path(NASTY), rounds)))
    assert {f"Run in {NASTY}", "after 10 earlier rounds", "11", "30", "75.00 %", "best so far"} <= set(found)
    assert "10" not in found


def test_anything_else_is_its_repr() -> None:
    assert texts(html(NASTY)) == [repr(NASTY)]


def test_a_ledger_is_shown_without_torch() -> None:
    code = (
        "import json, sys, hubel\n"
        "page = hubel.Ledger.of(hubel.Volume(8, 8, 3), hubel.trace(hubel.fc(3), (8, 8, 3)))._repr_html_()\n"
        "print(json.dumps([page, 'torch' in sys.modules]))"
    )
    page, torch_is_imported = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert "fc(3)" in page
    assert not torch_is_imported
