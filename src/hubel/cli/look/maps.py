"""`hubel look MODEL maps IMAGE`: what every layer answers to an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.look.looked import Looked, write
from hubel.cli.output import image_form
from hubel.errors import UsageError


def maps(
    context: typer.Context,
    image: Annotated[str, typer.Argument(help="An image file.", metavar="IMAGE")],
    *,
    layers: Annotated[
        str | None,
        typer.Option(
            help="Paths with commas between, or all: their maps and what each cell sees. "
            "Default: the whole forward pass, from image to scores.",
            metavar="PATHS",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The image: a .svg, .png or .pdf file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print scales, boxes and scores as JSON; of --layers all values.")
    ] = False,
    columns: Annotated[int, typer.Option(help="At most so many layers of the forward pass.")] = 24,
) -> None:
    """Draw the maps of an image, or its whole way from pixels to class scores."""
    form = "" if out is None else image_form(out)
    if out is None and not as_json:
        raise UsageError("say where the image goes, such as -o maps.png, or --json for the numbers")
    if columns < 1:
        raise UsageError(f"--columns is at least 1, not {columns}")

    import torch

    from hubel.instruments import maps as instrument
    from hubel.report.instruments import maps as report

    looked: Looked = context.obj
    model, subject = looked.opened()
    pixels = model.preprocessing.read(Path(image))
    seen = model.preprocessing.normalise(torch.from_numpy(pixels)[None])[0]
    if layers is None:
        paths = instrument.passing(subject, columns)
    else:
        every = instrument.seen_paths(subject)
        paths = every if layers.strip() == "all" else tuple(path.strip() for path in layers.split(","))
    found = instrument.maps(subject, seen, paths)
    if as_json:
        print(report.as_json(found, model.classes, values=layers is not None))
    if out is None:
        return
    if layers is None:
        content = report.forward(found, pixels, model.classes, form, layers=len(subject.steps))
    else:
        content = report.panels(found, pixels, form)
    write(out, content, silent=as_json)
