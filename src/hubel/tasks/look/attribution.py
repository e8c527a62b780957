"""Attribution: which parts of an image the score of a class rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hubel.instruments.attribution import (
    Attribution,
    Method,
    Occlusion,
    Randomised,
    attribute,
    cascade,
    checked,
    class_scores,
    occlude,
    of_occlusion,
)
from hubel.report.instruments import attribution as report
from hubel.tasks.look.finding import DRAWING, Arrays, Finding

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from hubel.data.arrays import Bytes
    from hubel.data.image.objects import ImageLike
    from hubel.instruments.subject import Subject
    from hubel.tasks.look.images import Progress
    from hubel.tasks.look.specimen import Specimen


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask of an image: by which method, of which layer (gradcam), with which square (occlusion)."""

    method: Method
    layer: str | None = None
    square: int | None = None

    @classmethod
    def of(cls, method: str, layer: str | None, square: int | None) -> Question:
        """Raises UsageError: no such method."""
        return cls(checked(method), layer, square)


@dataclass(frozen=True, eq=False, repr=False)
class FoundAttribution(Finding):
    """What in the `pixels` of an image speaks for a class; of occlusion with its `squares`."""

    instrument = "attribution"
    forms = DRAWING

    found: Attribution
    pixels: Bytes
    classes: tuple[str, ...]
    squares: Occlusion | None = None
    checks: tuple[Randomised, ...] = ()

    def draw(self, form: str) -> bytes:
        if self.squares is None:
            return report.image(self.pixels, self.found, self.classes, form)
        return report.occlusion_image(self.pixels, self.squares, self.found.label, self.classes, form)

    def json(self) -> str:
        return report.as_json(self.found, self.classes, self.squares, self.checks)

    def named_arrays(self) -> Arrays:
        arrays: dict[str, npt.NDArray[Any]] = {"map": self.found.map, "cells": self.found.cells}
        if self.squares is not None:
            arrays |= {name: getattr(self.squares, name) for name in ("rows", "columns", "scores")}
        if self.checks:
            arrays |= {"correlations": np.array([each.correlation for each in self.checks])}
        return arrays

    def text(self) -> str:
        return report.checks_text(self.checks) if self.checks else ""


def look_at_attribution(
    specimen: Specimen,
    image: ImageLike,
    question: Question,
    label: str | None,
    *,
    sanity: bool = False,
    progress: Progress | None = None,
) -> Finding:
    """Finds what speaks for a class, the most probable one without a `label`; `sanity` checks the map."""
    pixels, shown = specimen.pixels(image), specimen.seen(image)
    subject = specimen.subject
    number = int(class_scores(subject, shown[None]).argmax()) if label is None else specimen.label(label)
    found, squares = _attributed(specimen, subject, shown, number, question, progress=progress)
    checks = _checks(specimen, shown, found, question) if sanity else ()

    return FoundAttribution(found, pixels, specimen.classes, squares, checks)


def _attributed(
    specimen: Specimen,
    subject: Subject,
    shown: Tensor,
    label: int,
    question: Question,
    *,
    progress: Progress | None = None,
) -> tuple[Attribution, Occlusion | None]:
    """The attribution; of occlusion with its squares. Integrated gradients begin at a black image."""
    if question.method == "occlusion" and question.layer is None:

        def done(at: int, places: int) -> None:
            if progress is not None:
                progress("sliding a square", at, places)

        squares = occlude(subject, shown, square=question.square, progress=done)
        return of_occlusion(squares, label, subject.volume.plane), squares
    baseline = _black(specimen) if question.method == "integrated" else None
    found = attribute(
        subject,
        shown,
        label,
        question.method,
        layer=question.layer,
        square=question.square,
        baseline=baseline,
    )
    return found, None


def _black(specimen: Specimen) -> Tensor:
    """A black image as the network sees it."""
    made = specimen.preprocessing
    return made.normalise(torch.zeros(1, made.height, made.width, made.depth, dtype=torch.uint8))[0]


def _checks(
    specimen: Specimen, shown: Tensor, found: Attribution, question: Question
) -> tuple[Randomised, ...]:
    """How alike this map is to those of networks with more and more layers randomised."""
    same = Question(question.method, found.layer or None, question.square)

    def look(subject: Subject) -> Attribution:
        return _attributed(specimen, subject, shown, found.label, same)[0]

    return tuple(cascade(specimen.subject, look))
