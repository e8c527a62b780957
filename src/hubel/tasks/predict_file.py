"""Predictions into a file, of any number of images; what a killed process has done is not done again."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from hubel.errors import UsageError, shortened
from hubel.files import is_file
from hubel.model.inputs import LIST, REMOTE, STDIN, several
from hubel.model.prediction import name_of, predictions
from hubel.report import prediction as report
from hubel.tasks.predicted import CSV, JSONL, Predicted, line_end, predicted
from hubel.world import ALONE, World

if TYPE_CHECKING:
    from hubel.data.image.objects import ImageLike
    from hubel.model.inputs import Input
    from hubel.model.prediction import Classifier, Prediction

    Predict: TypeAlias = Callable[[Iterator[Input], int], Iterator[Prediction]]
    """Predicts images, of which the first has a number: that of those before it."""

COMPARED, SAME = 8, 0.002
"""On how many images a continued file and the model must agree, and how closely, in probability.

Engines in float32 agree to 0.00002.
"""

EVERY = 1.0
"""Seconds between two reports of progress, and between two writes to the disk."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far predictions are: images `done` now, of `total`, which is None where it is not known."""

    done: int
    total: int | None
    per_second: float

    @property
    def left(self) -> float | None:
        """The seconds left at this speed; None where the total is not known."""
        if self.total is None or not self.per_second:
            return None
        return max(0, self.total - self.done) / self.per_second


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """A file of predictions: `images` predicted now and `done` before, and `errors` among all of them."""

    path: Path
    images: int
    errors: int
    done: int
    per_second: float


def predict_to_file(
    model: Classifier,
    images: ImageLike | Iterable[ImageLike],
    out: Path,
    top: int,
    *,
    resume: bool,
    progress: Callable[[Progress], object] | None,
    by: Predict | None = None,
    world: World = ALONE,
) -> PredictionFile:
    """Writes the predictions of images as rows of a .csv, or as the lines of a .jsonl, in order; together.

    The first process writes the file, all predict.

    With `resume` the images at the beginning that the file has are left out: it must be of the same images.
    `by` predicts them, by default this process. Raises UsageError: the file has another ending, exists, or is
    of other images or another model.
    """
    if out.suffix.lower() not in (CSV, JSONL):
        raise UsageError(f"{out.name} has to end in .csv or .jsonl")
    predict = by or partial(_alone, model, top)
    rest = several(images)
    if not world.leads:
        done = world.first(0)
        for _ in predict(islice(rest, done, None), done):
            pass
        return world.first(PredictionFile(out, 0, 0, 0, 0.0))
    if out.exists() and not resume:
        raise UsageError(f"{out} exists; continue it with --resume, or name another file with --out")
    total = _count(images) if progress else None
    done, wrong = _left_out(rest, out, min(top, len(model.classes)), model) if out.exists() else (0, 0)
    started = [*islice(rest, 1)]  # an error of what names the images comes before there is a file
    world.first(done)
    lines = report.csv_lines if out.suffix.lower() == CSV else report.json_lines
    began = told = time.perf_counter()
    count, errors = 0, wrong
    end = line_end(out) if out.exists() else "\n"
    with out.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
        if not file.tell() and out.suffix.lower() == CSV:
            file.write(f"{report.CSV_HEADER}{end}")
        for each in predict(chain(started, rest), done):
            file.write("".join(f"{line}{end}" for line in lines(each)))
            count, errors = count + 1, errors + bool(each.error)
            now = time.perf_counter()
            if now - told >= EVERY:
                told = now
                _to_disk(file)
                if progress:
                    progress(Progress(done + count, total, count / (now - began)))
        _to_disk(file)
    taken = time.perf_counter() - began
    return world.first(PredictionFile(out, count, errors, done, count / taken if taken else 0.0))


def _alone(model: Classifier, top: int, images: Iterator[Input], first: int) -> Iterator[Prediction]:
    """Predictions by this process."""
    return predictions(model, images, top, first=first)


def _to_disk(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _count(images: ImageLike | Iterable[ImageLike]) -> int | None:
    """How many images there are; None where they can be listed but once, as from standard input."""
    places = images if isinstance(images, list | tuple) else [images]
    once = [isinstance(each, str) and _only_once(each) for each in places]
    if isinstance(images, Iterator) or any(once):
        return None
    return sum(1 for _ in several(images))


def _only_once(text: str) -> bool:
    """Whether a text names images that can be listed but once: a list may be a pipe."""
    if text == STDIN or text.startswith(REMOTE):
        return True
    return text.startswith(LIST) and not is_file(text) and not is_file(text[1:])


def _left_out(images: Iterator[Input], path: Path, rows: int, model: Classifier) -> tuple[int, int]:
    """Leaves out the images at the beginning that a file has; returns how many, and those with an error.

    What a killed process wrote of one more image is cut off. The last images are predicted again, since what
    another model said must not be continued. Raises UsageError: the file is of other images, of another
    model, has another number of classes of each image, or is none of predictions.
    """
    count = whole = wrong = 0
    last: deque[tuple[Input, Predicted]] = deque(maxlen=COMPARED)
    for each in predicted(path, rows, model.classes):
        image = next(images, None)
        name = None if image is None else name_of(image, count)
        if image is None or name != each.name:
            raise UsageError(
                f"{path} is of other images: image {count + 1} in it is {shortened(each.name)}, now it is "
                f"{shortened(str(name))}; name another file with --out"
            )
        if each.label:
            last.append((image, each))
        count, whole, wrong = count + 1, each.end, wrong + (not each.label)
    _check_model(model, last, path)
    os.truncate(path, whole)
    return count, wrong


def _check_model(model: Classifier, last: Collection[tuple[Input, Predicted]], path: Path) -> None:
    """Raises UsageError: a model gives other probabilities than a file has."""
    again = predictions(model, [image for image, _ in last], len(model.classes))
    for now, (_, before) in zip(again, last, strict=True):
        found = dict(now.classes).get(before.label)
        if found is not None and abs(found - before.probability) > SAME:
            raise UsageError(
                f"{path} is of another model or engine: of {shortened(before.name)} it says "
                f"{shortened(before.label)} {before.probability:.4f}, now it is {found:.4f}; name another "
                "file with --out"
            )
