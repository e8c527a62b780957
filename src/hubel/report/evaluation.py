"""How well a network does on labelled images: class by class, as text and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hubel.evaluation.calibration import BINS, Reliability
from hubel.evaluation.metrics import Evaluation
from hubel.evaluation.splits import ALL, NEW, Measured
from hubel.report.units import count, percent


@dataclass(frozen=True, slots=True)
class ClassLine:
    """How one class does: its images, the right ones, and what follows; None where there is no number.

    `precision` needs an image that was taken for it, `recall` and `f1` one of its own.
    """

    name: str
    images: int
    right: int
    precision: float | None
    recall: float | None
    f1: float | None


def class_lines(classes: Sequence[str], evaluation: Evaluation) -> list[ClassLine]:
    """Returns a line a class, in the order of the classes."""
    counts = (evaluation.support, evaluation.confusion.diagonal())
    shares = (evaluation.precision, evaluation.recall, evaluation.f1)
    return [
        ClassLine(name, images, right, *map(known, numbers))
        for name, images, right, *numbers in zip(
            classes, *(each.tolist() for each in (*counts, *shares)), strict=True
        )
    ]


def confused_pairs(
    classes: Sequence[str], evaluation: Evaluation, *, most: int | None = None, least: int = 1
) -> list[tuple[str, str, int, int]]:
    """Returns who is most often taken for whom: truth, prediction, how often, of how many images.

    The `most` most frequent, of those that happened `least` times.
    """
    matrix = evaluation.confusion.numpy()
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[: (wrong >= least).sum()][:most]
    images = matrix.sum(1)
    return [
        (classes[truth], classes[taken], int(wrong[truth, taken]), int(images[truth]))
        for truth, taken in (divmod(int(place), len(classes)) for place in order)
    ]


def as_text(split: str, evaluation: Evaluation, classes: Sequence[str]) -> str:
    """What `hubel val` prints: the numbers over all images, then a line a class."""
    top5 = "" if evaluation.top5 is None else f", {percent(evaluation.top5)} among the first five"
    warmed = ""
    if evaluation.temperature != 1:
        warmed = f", {percent(evaluation.at(1).ece)} before temperature {evaluation.temperature:.3g}"
    lines = [
        f"{split}: {count(len(evaluation.labels))} images, {percent(evaluation.top1)} right{top5}, "
        f"loss {evaluation.loss:.4f} nats",
        f"macro-F1 {percent(evaluation.macro_f1)}, calibration error {percent(evaluation.ece)}{warmed}",
        f"  {'recall':>9}  {'precision':>9}  {'F1':>9}",
    ]
    for line in class_lines(classes, evaluation):
        shares = "  ".join(f"{share(each):>9}" for each in (line.recall, line.precision, line.f1))
        lines.append(f"  {shares}  {count(line.right)} of {count(line.images)}  {line.name}")
    return "\n".join(lines)


def as_json(split: str, evaluation: Evaluation, classes: Sequence[str], trained_on: int | None = None) -> str:
    """All of an evaluation as a JSON object; null where there is no number.

    `trained_on` is of how many images of the set that is known, None where it was not looked for.
    The rows of `confusion` are true classes, its columns what they are taken for, in the order of `classes`.
    """
    plain = evaluation.at(1)
    said = {
        "split": split,
        "images": len(evaluation.labels),
        "trained_on": trained_on,
        "loss": known(evaluation.loss),
        "top1": evaluation.top1,
        "top5": evaluation.top5,
        "macro_f1": known(evaluation.macro_f1),
        "ece": known(evaluation.ece),
        "temperature": evaluation.temperature,
        "at_temperature_1": {"loss": known(plain.loss), "ece": known(plain.ece)},
        "reliability": _ranges(evaluation.reliability),
        "classes": {line.pop("name"): line for line in map(asdict, class_lines(classes, evaluation))},
        "confusion": evaluation.confusion.tolist(),
        "confused": [
            {"truth": truth, "prediction": taken, "images": times}
            for truth, taken, times, _ in confused_pairs(classes, evaluation)
        ],
    }
    return json.dumps(said, indent=2, ensure_ascii=False)


def known_text(measured: Measured) -> str:
    """What to say of images that the model was trained on; nothing where there is none."""
    if measured.known is None and measured.split == ALL:
        return "too many images for memory: those that the model was trained on are not looked for among them"
    if not measured.known:
        return ""
    known, usable = count(measured.known), count(measured.usable)
    if measured.split == NEW:
        return f"left out: {known} of {usable} images, on which the model was trained"
    return f"{known} of the {usable} images are among those that the model was trained on"


def share(value: float | None) -> str:
    """A share as a percentage, a dash where there is none."""
    return "–" if value is None else percent(value)


def known(value: float) -> float | None:
    """A number, or None where it is none: infinity and NaN, which JSON has not."""
    return value if math.isfinite(value) else None


def _ranges(found: Reliability) -> list[dict[str, Any]]:
    """The ranges of probabilities that have images."""
    columns: tuple[Tensor, ...] = (found.images, found.said, found.right)
    rows = zip(*(each.tolist() for each in columns), strict=True)
    return [
        {"above": at / BINS, "to": (at + 1) / BINS, "images": images, "said": known(said), "right": right}
        for at, (images, said, right) in enumerate(rows)
        if images
    ]
