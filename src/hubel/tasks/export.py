"""`export`: a model as a file that other programs run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.errors import UsageError
from hubel.evaluation.int8 import RUNTIMES, Int8, to_int8
from hubel.evaluation.trial import trial_images
from hubel.files import write_whole
from hubel.model.export import FORMATS, Check, checked_by, export_model
from hubel.model.header import members_in
from hubel.model.open import open_model
from hubel.report.card import card
from hubel.report.program import PACKAGES, program
from hubel.tasks.words import one_of

if TYPE_CHECKING:
    from hubel.model.file import Model

CARD = "card"
TO = (*FORMATS, CARD)
"""What a model can be exported to."""

IMAGES = 3
"""How many images a file is checked with."""

CALIBRATION, JUDGED = 256, 2000
"""How many training images give the ranges for int8, and how many validation images at most judge it."""


@dataclass(frozen=True, slots=True, repr=False)
class ExportedModel:
    """The files that were written: the model's first, its weights if they are beside it, an example program.

    `check` says how the file answers, on images of `images`; a card, which is a text, has none. `int8` says
    how it was judged, if it computes in int8.
    """

    to: str
    files: tuple[Path, ...]
    check: Check | None = None
    images: str = ""
    int8: Int8 | None = None

    def __repr__(self) -> str:
        return f"<ExportedModel: {', '.join(map(str, self.files))}>"

    @property
    def path(self) -> Path:
        """The model's file."""
        return self.files[0]


def export(
    model: Model | str | Path,
    *,
    to: str = "onnx",
    out: str | Path | None = None,
    raw: bool = False,
    resize: bool = False,
    int8: bool = False,
    data: Any = None,
    max_drop: float = 0.5,
    allow_code: bool = False,
    force: bool = False,
    progress: Callable[[str], object] | None = None,
) -> ExportedModel:
    """Writes a model as a file that answers elsewhere as it does here, and an example program beside it.

    `to` is onnx, openvino, pt2, or card, a description in Markdown. `out` is the file, by default named after
    the model. The file takes uint8 images of the input's size, n x h x w x c, and gives probabilities; class
    names and preprocessing are in its metadata. With `resize` the resize is inside: it takes upright images
    of any size. With `raw` it takes normalised images, n x c x h x w, and gives scores. It is opened again
    and run on images of `data`, by default those the model was trained on, and only written if it answers as
    the model does.

    With `int8` it computes in bytes: calibrated on training images of `data`, judged on its validation images
    on this processor, and only written if it loses at most `max_drop` points of accuracy. `allow_code` and
    `force` are as for `hubel.load`; `progress` is called with what is being done.

    Raises UsageError, DataError: an argument cannot be used. Raises ModelError: the model cannot be opened or
    exported so, or its file would answer otherwise.
    """
    to = one_of("to", to, TO)
    if not 0 <= max_drop <= 100:
        raise UsageError(f"max_drop is a number of points from 0 to 100, not {max_drop:g}")
    if isinstance(model, str | Path) and (members := members_in(model)):
        raise UsageError(
            f"{model} is an ensemble, which no exported file holds: export each member, such as hubel export "
            f"{members[0]}, and average their probabilities; hubel predict and hubel serve take the ensemble"
        )
    opened = open_model(model, allow_code=allow_code, force=force)
    path = _place(model, out, to)
    if to == CARD:
        write_whole(path, card(opened, path.stem))
        return ExportedModel(to, (path,))
    checked_by(to)
    judged = None
    if int8:
        if to == "pt2":
            raise UsageError("a model goes to onnx or openvino in int8, not to pt2")
        judged = to_int8(
            opened,
            trial_images(opened, data, CALIBRATION, "train"),
            trial_images(opened, data, JUDGED),
            max_drop,
            runtimes=("openvino",) if to == "openvino" else RUNTIMES,
            raw=raw,
            resize=resize,
            progress=progress,
        )
    trial = trial_images(opened, data, IMAGES)
    graph = judged.graph if judged else None
    check = export_model(opened, to, path, trial.pixels, raw=raw, resize=resize, graph=graph)
    example = _example(path, to)
    runtime = judged.kept.engine if judged else PACKAGES[to]
    write_whole(example, program(opened, path, example.name, runtime, raw=raw, resize=resize))
    return ExportedModel(to, _files(path, to), check, trial.source, judged)


def _place(model: Model | str | Path, out: str | Path | None, to: str) -> Path:
    """The file to write. Raises UsageError: it exists, or its folder does not."""
    suffix = ".md" if to == CARD else FORMATS[to]
    path = Path(out) if out is not None else Path(f"{_name(model)}{suffix}")
    if path.suffix.lower() != suffix:
        raise UsageError(f"{path.name} has to end in {suffix}")
    for each in _files(path, to):
        if os.path.lexists(each):
            raise UsageError(f"{each} exists; name another file with --out")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}; create it first")
    return path


def _files(path: Path, to: str) -> tuple[Path, ...]:
    """The files that are written: the model's, its weights if they are beside it, an example program."""
    if to == CARD:
        return (path,)
    weights = [path.with_suffix(".bin")] if to == "openvino" else []
    return (path, *weights, _example(path, to))


def _example(path: Path, to: str) -> Path:
    """The example program of a file."""
    return path.with_name(f"{path.stem}_{to}.py")


def _name(model: Model | str | Path) -> str:
    """The name of an exported file: that of the model's file, or of its run's folder."""
    if not isinstance(model, str | Path):
        return "model"
    path = Path(model)
    stem = path.resolve().parent.name if path.name == "best.safetensors" else path.name
    return stem.removesuffix(".safetensors") or "model"
