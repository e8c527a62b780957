"""What a model says of image files, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hubel.report.units import percent
from hubel.ship.predict import Prediction


def as_text(found: Sequence[Prediction]) -> str:
    """A file's name, then its classes, the most probable first; or what is wrong with the file."""
    return "\n".join(line for each in found for line in _lines(each))


def as_json(found: Sequence[Prediction]) -> str:
    """A JSON list, an object a file, with its classes or its error."""
    return json.dumps([_object(each) for each in found], indent=2, ensure_ascii=False)


def _lines(each: Prediction) -> list[str]:
    if each.error:
        return [f"{each.file}: error: {each.error.removeprefix(f'{each.file}: ')}"]
    return [each.file, *(f"  {percent(probability):>9}  {name}" for name, probability in each.classes)]


def _object(each: Prediction) -> dict[str, Any]:
    if each.error:
        return {"file": each.file, "error": each.error}
    classes = [{"name": name, "probability": probability} for name, probability in each.classes]
    return {"file": each.file, "classes": classes}
