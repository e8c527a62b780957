"""`hubel notation`: the text of a network; a torch module becomes a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.import_model import IMAGES_HELP, MEAN_HELP, STD_HELP, numbers
from hubel.cli.network import ANY_HELP, FORCE_HELP, INPUT_HELP, announce
from hubel.cli.show import show
from hubel.net.trace import UnreadError
from hubel.report.units import memory
from hubel.tasks import notation as task
from hubel.tasks.table import rows_before


def notation(
    net: Annotated[str, typer.Argument(help=ANY_HELP, metavar="NET")],
    volume: Annotated[str | None, typer.Option("--input", "--volume", help=INPUT_HELP)] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Of a torch module: the model's file to write, with its weights."),
    ] = None,
    preprocessing: Annotated[
        str | None,
        typer.Option(help="With --out: how images are prepared: torchvision, timm_a1 and others."),
    ] = None,
    mean: Annotated[str | None, typer.Option(help=MEAN_HELP)] = None,
    std: Annotated[str | None, typer.Option(help=STD_HELP)] = None,
    classes: Annotated[
        Path | None, typer.Option(help="With --out: a text file of the class names, one per line.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Of a module that returns several results, the key or number of one.")
    ] = None,
    images: Annotated[
        str | None, typer.Option(help=f"With --out: {IMAGES_HELP[0].lower()}{IMAGES_HELP[1:]}")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Print the notation of a network; make a model of a torch module."""
    announce(net)
    try:
        found = task.notation(
            net,
            volume,
            out=out,
            preprocessing=preprocessing,
            mean=numbers("--mean", mean),
            std=numbers("--std", std),
            classes=classes,
            output=output,
            images=images,
            force=force,
        )
    except UnreadError as error:
        if error.steps:
            show(rows_before(error))
        raise
    print(repr(found))
    size = memory(found.path.stat().st_size) if found.path else ""
    wrote = (f"wrote {found.path}, {size}",) * bool(found.path)
    for line in (found.report, *(f"note: {remark}" for remark in found.remarks), *wrote):
        if line:
            print(line, file=sys.stderr)
