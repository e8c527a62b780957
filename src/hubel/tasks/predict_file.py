"""Predictions into a file, of any number of images; what a killed process has done is not done again."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hubel.errors import UsageError, shortened
from hubel.files import is_file, parse_json
from hubel.model.inputs import LIST, REMOTE, STDIN, several
from hubel.model.prediction import name_of, predictions
from hubel.report import prediction as report

if TYPE_CHECKING:
    from hubel.data.image.objects import ImageLike
    from hubel.model.inputs import Input
    from hubel.model.prediction import Classifier

CSV, JSONL = ".csv", ".jsonl"
CELLS = 4
"""The cells of a row: file, class, probability, error."""

JSON_BEGIN = '{"file": "'
"""How the first line of a .jsonl begins."""

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
    """A file of predictions: `images` predicted now, `errors` among them, and images `done` before."""

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
) -> PredictionFile:
    """Writes the predictions of images as rows of a .csv, or as the lines of a .jsonl, in order.

    With `resume` the images at the beginning that the file has are left out: it must be of the same images.
    Raises UsageError: the file has another ending, exists, or is of other images.
    """
    if out.suffix.lower() not in (CSV, JSONL):
        raise UsageError(f"{out.name} has to end in .csv or .jsonl")
    if out.exists() and not resume:
        raise UsageError(f"{out} exists; continue it with --resume, or name another file with --out")
    total = _count(images) if progress else None
    rest = several(images)
    done = _left_out(rest, out, min(top, len(model.classes)), model.classes) if out.exists() else 0
    lines = report.csv_lines if out.suffix.lower() == CSV else report.json_lines
    began = told = time.perf_counter()
    count = errors = 0
    with out.open("a", encoding="utf-8", errors="surrogateescape", newline="") as file:
        if not file.tell() and out.suffix.lower() == CSV:
            file.write(report.CSV_HEADER + "\n")
        for each in predictions(model, rest, top):
            file.write("".join(f"{line}\n" for line in lines(each)))
            count, errors = count + 1, errors + bool(each.error)
            now = time.perf_counter()
            if now - told >= EVERY:
                told = now
                _to_disk(file)
                if progress:
                    progress(Progress(done + count, total, count / (now - began)))
        _to_disk(file)
    taken = time.perf_counter() - began
    return PredictionFile(out, count, errors, done, count / taken if taken else 0.0)


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


def _left_out(images: Iterator[Input], path: Path, rows: int, classes: Collection[str]) -> int:
    """Leaves out the images at the beginning that a file has, and returns how many.

    What a killed process wrote of one more image is cut off. Raises UsageError: the file is of other images,
    of another model, has another number of classes of each image, or is none of predictions.
    """
    count = whole = 0
    for name, end in _images_in(path, rows, classes):
        image = next(images, None)
        found = None if image is None else name_of(image, count)
        if found != name:
            raise UsageError(
                f"{path} is of other images: image {count + 1} in it is {shortened(name)}, now it is "
                f"{shortened(str(found))}; name another file with --out"
            )
        count, whole = count + 1, end
    os.truncate(path, whole)
    return count


def _images_in(path: Path, rows: int, classes: Collection[str]) -> Iterator[tuple[str, int]]:
    """The names of the images that a file has whole, each with where it ends; it has `rows` of each.

    Raises UsageError: what is in the file cannot be continued.
    """
    table = path.suffix.lower() == CSV
    own = _Own(path, rows, frozenset(classes))
    own.check_begin(report.CSV_HEADER if table else JSON_BEGIN)
    records = _records(path, table=table)
    if table:
        next(records, None)  # the header
    yield from own.in_table(records) if table else own.in_lines(records)


@dataclass(frozen=True, slots=True)
class _Own:
    """A file that is to be continued; its records must be what this command writes."""

    path: Path
    rows: int
    classes: frozenset[str]

    def check_begin(self, begin: str) -> None:
        """Raises UsageError: the file begins otherwise; a killed process may have written less."""
        wanted = begin.encode()
        with self.path.open("rb") as file:
            found = file.read(len(wanted))
        if not wanted.startswith(found):
            raise self._foreign(1)

    def in_lines(self, records: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
        """The images of a .jsonl."""
        for number, (record, end) in enumerate(records, 1):
            try:
                each = parse_json(record)
                name, error = each["file"], each.get("error")
                found = None if error else [one["name"] for one in each["classes"]]
            except (ValueError, KeyError, TypeError, AttributeError):
                raise self._foreign(number) from None
            if found is not None:
                self._check_classes(found)
                self._check_rows(len(found))
            yield str(name), end

    def in_table(self, records: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
        """The images of a .csv: each has a row per class, or one with an error."""
        name, found = "", list[str]()
        for number, (record, end) in enumerate(records, 2):
            try:
                cells = next(csv.reader([record], strict=True), [])
            except csv.Error:
                raise self._foreign(number) from None
            if len(cells) != CELLS:
                raise self._foreign(number)
            if found and (cells[0] != name or cells[1] in found):
                self._check_rows(len(found))
                found = []
            if cells[-1]:
                yield cells[0], end
                continue
            name = cells[0]
            found.append(cells[1])
            self._check_classes(found[-1:])
            if len(found) > self.rows:
                self._check_rows(len(found))
            if len(found) == self.rows:
                yield name, end

    def _check_rows(self, found: int) -> None:
        if found != self.rows:
            raise UsageError(
                f"{self.path} has another number of classes of each image, not {self.rows}; continue it with "
                "the same --top, or name another file with --out"
            )

    def _check_classes(self, found: list[str]) -> None:
        for name in found:
            if name not in self.classes:
                raise UsageError(
                    f"{self.path} is of another model: this one has no class {shortened(name)}; name another "
                    "file with --out"
                )

    def _foreign(self, number: int) -> UsageError:
        return UsageError(
            f"{self.path} is no file of predictions, or was changed: see record {number}; name another file "
            "with --out"
        )


def _records(path: Path, *, table: bool) -> Iterator[tuple[str, int]]:
    """The lines of a file, each with where it ends; in a table, a line may go on within quotation marks."""
    end = 0
    whole = b""
    with path.open("rb") as file:
        for line in file:
            end, whole = end + len(line), whole + line
            if line.endswith(b"\n") and not (table and whole.count(b'"') % 2):
                yield whole.decode("utf-8", "surrogateescape"), end
                whole = b""
