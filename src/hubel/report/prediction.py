"""Predictions as text, as JSON and as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from hubel.counted import percent
from hubel.model.prediction import Prediction
from hubel.report.units import count, duration

LINE_END = "\r\n"
"""What ends a row for the writer: before Python 3.13 it puts in quotation marks only what is part of it."""


def text_lines(each: Prediction) -> Iterator[str]:
    """Yields lines: the file's name, then its classes, the most probable first; or what is wrong with it."""
    yield f"{each.file}: error: {each.error}" if each.error else each.file
    for name, probability in each.classes:
        yield f"  {percent(probability):>9}  {name}"


def as_json(found: Iterable[Prediction]) -> str:
    """Returns a JSON list: an object per image, with its classes or its error."""
    return json.dumps([as_object(each) for each in found], indent=2, ensure_ascii=False, allow_nan=False)


def json_lines(each: Prediction) -> Iterator[str]:
    """Yields one line, the object of an image in JSON."""
    yield json.dumps(as_object(each), ensure_ascii=False, allow_nan=False)


def csv_lines(each: Prediction) -> Iterator[str]:
    """Yields the rows of a table: one per class of the image, or one for its error."""
    if each.error:
        yield _row(each.file, "", "", each.error)
    for name, probability in each.classes:
        yield _row(each.file, name, f"{probability:.6f}", "")


def progress_text(done: int, total: int | None, per_second: float, left: float | None) -> str:
    """Returns how far predictions are: `1,200 of 5,000 images, 85.0 images/s, 44.7 s left`."""
    of = "" if total is None else f" of {count(total)}"
    rest = "" if left is None else f", {duration(left)} left"
    return f"{count(done)}{of} images, {per_second:.1f} images/s{rest}"


def as_object(each: Prediction) -> dict[str, Any]:
    """Returns the object of an image: its classes or its error."""
    if each.error:
        return {"file": each.file, "error": each.error}
    classes = [{"name": name, "probability": probability} for name, probability in each.classes]
    return {"file": each.file, "classes": classes}


def _row(*cells: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=LINE_END).writerow(cells)
    return out.getvalue().removesuffix(LINE_END)


CSV_HEADER = "\ufeff" + _row("file", "class", "probability", "error")
"""The first row of the table. Excel recognises UTF-8 by its byte-order mark: names may be Korean."""
