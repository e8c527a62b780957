"""`hubel look MODEL filters`: a layer's filters, what drives them, which are dead and which there twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.ablate import SPLIT_HELP, sample
from hubel.cli.look.looked import Looked, progress, write
from hubel.cli.output import image_form
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.instruments.filters import Filters
    from hubel.instruments.stimuli import Stimuli
    from hubel.instruments.subject import Subject
    from hubel.model.file import Model

DATA_HELP = (
    "A folder of images, or a set's name: deeper filters are drawn by what drives them, and those that "
    "nothing drives are named as dead."
)


def filters(
    context: typer.Context,
    *,
    layer: Annotated[
        str | None, typer.Option(help="A layer's path. Default: the first convolution.", metavar="PATH")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The image: a .svg, .png or .pdf file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    data: Annotated[str | None, typer.Option(help=DATA_HELP, metavar="DATA")] = None,
    images: Annotated[int, typer.Option(help="Of --data: how many images, spread over the split.")] = 1000,
    maps: Annotated[int, typer.Option(help="Of --data: how many filters are drawn, most energy first.")] = 16,
    split: Annotated[str, typer.Option(help=f"Of --data: {SPLIT_HELP}")] = "auto",
    alike: Annotated[
        float, typer.Option(help="From which cosine on, or below its negative, two filters are twins.")
    ] = 0.95,
) -> None:
    """Show a layer's filters on one scale, or by what drives them; say which are dead or doubled."""
    form = "" if out is None else image_form(out)
    if maps < 1:
        raise UsageError(f"--maps is at least 1, not {maps}")

    from hubel.instruments import filters as instrument
    from hubel.net.trace import INPUT
    from hubel.report.instruments import filters as report

    looked: Looked = context.obj
    model, subject = looked.opened()
    found = instrument.filters(subject, layer, alike=alike)
    driven = None
    if data is not None:
        driven = _driven(model, subject, found, (data, split, images), maps)
        found = driven.filters
    if as_json:
        print(report.as_json(found, driven))
    elif out is None:
        print(report.as_text(found))
    if out is not None:
        if driven is None or found.source == INPUT:
            content = report.image(found, form)
        else:
            content = report.driven_image(driven, subject.volume, form)
        write(out, content, silent=as_json)


def _driven(
    model: Model, subject: Subject, found: Filters, source: tuple[str, str, int], most: int
) -> Stimuli:
    """What drives the filters, found in a sample of a set's split."""
    from hubel.instruments.stimuli import stimuli

    images = sample(model, *source).images
    with progress("looking at images", len(images)) as done:
        return stimuli(subject, found, images, model.preprocessing, most=most, progress=done)
