"""What a file of predictions already has: its images, one by one, checked to be what `predict` writes."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from hubel.errors import UsageError, shortened
from hubel.files import parse_json
from hubel.report import prediction as report

CSV, JSONL = ".csv", ".jsonl"

JSON_BEGIN = '{"file": "'
"""How the first line of a .jsonl begins."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """An image of a file, and the byte it ends at; its most probable class, empty where it has an error."""

    name: str
    end: int
    label: str = ""
    probability: float = 0.0


def predicted(path: Path, rows: int, classes: Collection[str]) -> Iterator[Predicted]:
    """Yields the images that a file has whole, with `rows` classes of each.

    Raises UsageError: what is in the file cannot be continued.
    """
    table = path.suffix.lower() == CSV
    own = _Own(path, rows, frozenset(classes))
    own.check_begin(report.CSV_HEADER if table else JSON_BEGIN)
    records = _records(path, table=table)
    if table:
        next(records, None)  # the header
    yield from own.in_table(records) if table else own.in_lines(records)


def line_end(path: Path) -> str:
    """How the lines of a file end: as the first one; a spreadsheet may have written CR LF."""
    with path.open("rb") as file:
        return "\r\n" if file.readline().endswith(b"\r\n") else "\n"


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

    def in_lines(self, records: Iterator[tuple[str, int]]) -> Iterator[Predicted]:
        """The images of a .jsonl."""
        for number, (record, end) in enumerate(records, 1):
            try:
                each = parse_json(record)
                name, error = each["file"], each.get("error")
                found = [] if error else [(one["name"], float(one["probability"])) for one in each["classes"]]
            except (ValueError, KeyError, TypeError, AttributeError):
                raise self._foreign(number) from None
            if not error:
                self._check_classes([label for label, _ in found])
                self._check_rows(len(found))
            yield Predicted(str(name), end, *found[0] if found else ())

    def in_table(self, records: Iterator[tuple[str, int]]) -> Iterator[Predicted]:
        """The images of a .csv: each has a row per class, or one with an error."""
        name, found, probability = "", list[str](), 0.0
        for number, (record, end) in enumerate(records, 2):
            try:
                cells = next(csv.reader([record], strict=True), [])
                at, label, value, error = cells
                score = float(value or 0)
            except (csv.Error, ValueError):
                raise self._foreign(number) from None
            if found and (at != name or label in found):
                self._check_rows(len(found))
                found = []
            if error:
                yield Predicted(at, end)
                continue
            name, probability = at, probability if found else score
            found.append(label)
            self._check_classes(found[-1:])
            if len(found) > self.rows:
                self._check_rows(len(found))
            if len(found) == self.rows:
                yield Predicted(name, end, found[0], probability)

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
