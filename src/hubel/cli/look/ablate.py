"""`hubel look MODEL ablate DATA`: what a network can no longer tell without some of its units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.looked import Looked, progress, write
from hubel.cli.output import image_form
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.evaluation.splits import HeldOut
    from hubel.instruments.ablate import Level
    from hubel.instruments.subject import Subject
    from hubel.instruments.unit import Unit
    from hubel.model.file import Model

LAYER_HELP = (
    "A layer, whose maps are silenced one by one, or one map, such as relu2 or 'relu2[7]'; give it again "
    "for more. Default: the last activation."
)
TO_HELP = (
    "What a silent map says everywhere: mean, its mean over the images, which keeps what follows at its "
    "working point; or zero."
)
SPLIT_HELP = (
    "train, val, test; or auto: test where there is one, else val, else what was held out when MODEL was "
    "trained on it, else all."
)
_BATCH = 250


def ablate(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="A folder of images, or a set's name.", metavar="DATA")],
    *,
    layer: Annotated[list[str] | None, typer.Option(help=LAYER_HELP, metavar="PATH")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Silence each --layer as a whole.")] = False,
    to: Annotated[str, typer.Option(help=TO_HELP)] = "mean",
    images: Annotated[int, typer.Option(help="How many images to take, spread over the split.")] = 1000,
    split: Annotated[str, typer.Option(help=SPLIT_HELP)] = "auto",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The PNG to write.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Silence units one at a time, and see which classes the network no longer tells."""
    from hubel.instruments.ablate import LEVELS
    from hubel.instruments.ablate import ablate as instrument
    from hubel.report.instruments import ablate as report

    if out is not None:
        image_form(out, ("png",))
    looked: Looked = context.obj
    model, subject = looked.opened()
    units = _units(subject, layer or [], whole=whole)
    level: Level | None = next((known for known in LEVELS if known == to), None)
    if level is None:
        raise UsageError(f"there is no level {to!r}; --to is one of {', '.join(LEVELS)}")
    decoded = sample(model, data, split, images).decoded(model)
    batches = decoded.batches(model.preprocessing, _BATCH)
    with progress("silencing", len(decoded) * len(units)) as done:
        found = instrument(subject, lambda: batches.epoch(0), units, len(model.classes), level, progress=done)
    print(report.as_json(found, model.classes) if as_json else report.as_text(found, model.classes))
    if out is not None:
        write(out, report.ablation_figure(found, model.classes), silent=as_json)


def sample(model: Model, data: str, split: str, most: int) -> HeldOut:
    """At most `most` images of a split, evenly spread over it; `auto` takes what was held out.

    Raises DataError, UsageError: as `images_of`; no image asked for.
    """
    from hubel.evaluation.splits import images_of
    from hubel.instruments.embedding import evenly

    if most < 1:
        raise UsageError(f"--images is at least 1, not {most}")
    found = images_of(data, split, model)
    return replace(found, images=found.images.select(evenly(len(found.images), most)))


def _units(subject: Subject, names: list[str], *, whole: bool) -> list[Unit]:
    """What is silenced: the maps of the layers that are named or, where none is, of the last activation."""
    from hubel.instruments.patches import features
    from hubel.instruments.unit import Unit

    named = [Unit.parse(name, subject.steps) for name in names]
    named = named or [Unit((features(subject)[:-1] or [subject.steps[0].path])[-1])]
    units: list[Unit] = []
    for unit in named:
        split = unit.channel is None and not whole
        maps = range(subject.step(unit.path).output.depth) if split else ()
        units += [Unit(unit.path, channel) for channel in maps] if split else [unit]
    return units
