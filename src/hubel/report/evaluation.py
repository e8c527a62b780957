"""How well a model does on labelled images: class by class, as text and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hubel.counted import Interval, between, counted, interval, percent
from hubel.evaluation.calibration import BINS, Reliability
from hubel.evaluation.metrics import Evaluation
from hubel.evaluation.model import ModelEvaluation
from hubel.evaluation.splits import ALL, NEW
from hubel.report.units import count


@dataclass(frozen=True, slots=True)
class ClassLine:
    """How well one class is predicted: its images, the correct ones and the shares; None without a number.

    `predicted` are the images predicted as the class, which `precision` needs; `recall` and `f1` need an
    image of the class.
    """

    name: str
    images: int
    predicted: int
    correct: int
    precision: float | None
    recall: float | None
    f1: float | None

    @property
    def recall_interval(self) -> Interval | None:
        """The 95 % interval of the recall."""
        return interval(self.correct, self.images) if self.images else None

    @property
    def precision_interval(self) -> Interval | None:
        """The 95 % interval of the precision."""
        return interval(self.correct, self.predicted) if self.predicted else None

    def data(self) -> dict[str, Any]:
        """The line as plain data, without its name."""
        data = asdict(self) | {
            "recall_interval": self.recall_interval,
            "precision_interval": self.precision_interval,
        }
        del data["name"]
        return data


def class_lines(classes: Sequence[str], evaluation: Evaluation) -> list[ClassLine]:
    """Returns a line per class, in the order of the classes."""
    confusion = evaluation.confusion
    counts = (evaluation.support, confusion.sum(0), confusion.diagonal())
    shares = (evaluation.precision, evaluation.recall, evaluation.f1)
    return [
        ClassLine(name, images, predicted, correct, *map(known, numbers))
        for name, images, predicted, correct, *numbers in zip(
            classes, *(each.tolist() for each in (*counts, *shares)), strict=True
        )
    ]


def confused_pairs(
    classes: Sequence[str], evaluation: Evaluation, *, most: int | None = None, least: int = 1
) -> list[tuple[str, str, int, int]]:
    """Returns the pairs of classes most often confused: truth, prediction, how often, of how many images.

    They are the `most` frequent pairs, of those that occur at least `least` times.
    """
    matrix = evaluation.confusion.numpy()
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[: (wrong >= least).sum()][:most]
    images = matrix.sum(1)
    return [
        (classes[truth], classes[predicted], int(wrong[truth, predicted]), int(images[truth]))
        for truth, predicted in (divmod(int(place), len(classes)) for place in order)
    ]


def as_text(evaluation: ModelEvaluation) -> str:
    """Returns what `hubel evaluate` prints: the numbers over all images, then a line per class."""
    uncalibrated = ""
    if evaluation.temperature != 1:
        before = percent(evaluation.at(1).ece)
        uncalibrated = f", {before} before temperature {evaluation.temperature:.3g}"
    images = len(evaluation.labels)
    lines = [
        f"{evaluation.split}: {count(images)} images, loss {evaluation.loss:.4f} nats",
        f"top-1 {counted(evaluation.correct, images)}; {chance_text(evaluation)}",
    ]
    if evaluation.correct5 is not None:
        lines.append(f"top-5 {counted(evaluation.correct5, images)}")
    lines.append(
        f"macro-F1 {percent(evaluation.macro_f1)}, calibration error {percent(evaluation.ece)}{uncalibrated}"
    )
    rows: list[tuple[str, ...]] = [
        ("recall", "of images", "95 % interval", "precision", "of predicted", "95 % interval", "F1")
    ]
    rows += [_cells(line) for line in class_lines(evaluation.classes, evaluation)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, name in zip(rows, ("", *evaluation.classes), strict=True):
        cells = (cell.rjust(wide) for cell, wide in zip(row, widths, strict=True))
        lines.append(f"  {'  '.join(cells)}  {name}".rstrip())
    return "\n".join(lines)


def chance_text(evaluation: Evaluation) -> str:
    """What accuracy a guess has: `chance is 10.03 %, the largest class`."""
    return f"chance is {percent(evaluation.chance)}, the largest class"


def _cells(line: ClassLine) -> tuple[str, ...]:
    """A class in the text: each share with its counts and its interval, and F1."""
    cells = []
    for value, whole in ((line.recall, line.images), (line.precision, line.predicted)):
        counts = f"{count(line.correct)} of {count(whole)}"
        cells += [share(value), counts, between(line.correct, whole) if whole else "–"]
    return (*cells, share(line.f1))


def as_json(evaluation: ModelEvaluation) -> str:
    """Returns all of an evaluation as a JSON object; null where there is no number.

    Intervals are of 95 %; `chance` is the share of the largest class. `trained_on` is the number of images of
    the set that the model was trained on, null where that is not
    known. The rows of `confusion` are true classes, its columns predicted ones, in the order of `classes`.
    """
    plain, classes, images = evaluation.at(1), evaluation.classes, len(evaluation.labels)
    content = {
        "split": evaluation.split,
        "images": images,
        "trained_on": evaluation.known,
        "loss": known(evaluation.loss),
        "top1": evaluation.top1,
        "correct": evaluation.correct,
        "interval": evaluation.interval,
        "chance": evaluation.chance,
        "top5": evaluation.top5,
        "correct5": evaluation.correct5,
        "interval5": None if evaluation.correct5 is None else interval(evaluation.correct5, images),
        "macro_f1": known(evaluation.macro_f1),
        "ece": known(evaluation.ece),
        "temperature": evaluation.temperature,
        "at_temperature_1": {"loss": known(plain.loss), "ece": known(plain.ece)},
        "reliability": _ranges(evaluation.reliability),
        "classes": {line.name: line.data() for line in class_lines(classes, evaluation)},
        "confusion": evaluation.confusion.tolist(),
        "confused": [
            {"truth": truth, "prediction": predicted, "images": times}
            for truth, predicted, times, _ in confused_pairs(classes, evaluation)
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def known_text(evaluation: ModelEvaluation) -> str:
    """Returns what to print about images that the model was trained on; nothing where there are none."""
    if evaluation.known is None and evaluation.split == ALL:
        return evaluation.unknown
    if not evaluation.known:
        return ""
    seen, usable = count(evaluation.known), count(evaluation.usable)
    if evaluation.split == NEW:
        return f"left out: {seen} of {usable} images, on which the model was trained"
    return f"the model was trained on {seen} of the {usable} images"


def share(value: float | None) -> str:
    """Returns a share as a percentage, or a dash for None."""
    return "–" if value is None else percent(value)


def known(value: float) -> float | None:
    """Returns a number, or None for infinity and NaN, which JSON lacks."""
    return value if math.isfinite(value) else None


def _ranges(found: Reliability) -> list[dict[str, Any]]:
    """Returns the probability ranges that have images."""
    columns: tuple[Tensor, ...] = (found.images, found.confidence, found.accuracy)
    rows = zip(*(each.tolist() for each in columns), strict=True)
    return [
        {
            "above": at / BINS,
            "to": (at + 1) / BINS,
            "images": images,
            "confidence": known(confidence),
            "accuracy": accuracy,
        }
        for at, (images, confidence, accuracy) in enumerate(rows)
        if images
    ]
