"""What a model says of image files, one by one, so that a bad file spoils no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubel.errors import DataError
from hubel.ship.model import Model


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one file: classes and probabilities, the most probable first, or an error."""

    file: str
    classes: tuple[tuple[str, float], ...] = ()
    error: str = ""


def predict(model: Model, files: Sequence[str | Path], top: int = 5) -> Iterator[Prediction]:
    """Yields what the model says of each file, in order; `top` classes each."""
    for file in files:
        try:
            probabilities = model.probabilities([Path(file)])[0]
        except DataError as error:
            yield Prediction(str(file), error=str(error))
            continue
        order = probabilities.argsort(descending=True, stable=True)[:top].tolist()
        yield Prediction(str(file), tuple((model.classes[at], float(probabilities[at])) for at in order))
