"""What a model says of image files, as text, as JSON and as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from hubel.model.prediction import Prediction
from hubel.report.units import percent


def as_text(found: Iterable[Prediction]) -> Iterator[str]:
    """Yields lines: a file's name, then its classes, the most probable first; or what is wrong with it."""
    for each in found:
        yield f"{each.file}: error: {each.error}" if each.error else each.file
        for name, probability in each.classes:
            yield f"  {percent(probability):>9}  {name}"


def as_json(found: Iterable[Prediction]) -> Iterator[str]:
    """Yields a JSON list whole, an object a file, with its classes or its error."""
    yield json.dumps([_object(each) for each in found], indent=2, ensure_ascii=False)


def as_csv(found: Iterable[Prediction]) -> Iterator[str]:
    """Yields the rows of a table, one for each class of each file, or one for its error.

    It begins with a byte-order mark, by which Excel knows UTF-8: names may be Korean.
    """
    yield "\ufeff" + _row("file", "class", "probability", "error")
    for each in found:
        if each.error:
            yield _row(each.file, "", "", each.error)
        for name, probability in each.classes:
            yield _row(each.file, name, f"{probability:.6f}", "")


def _object(each: Prediction) -> dict[str, Any]:
    if each.error:
        return {"file": each.file, "error": each.error}
    classes = [{"name": name, "probability": probability} for name, probability in each.classes]
    return {"file": each.file, "classes": classes}


def _row(*cells: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()
