"""`hubel look MODEL atlas --data DATA`: all units of a network on one page; can be stopped and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.look.shared import DATA_HELP, IMAGES_HELP, OUTPUT, SPLIT_HELP, eye_on, progress
from hubel.report.units import memory

_OUT_HELP = "The page to write. Until it is written, finished parts are kept in FILE.parts."
_CLASSES_HELP = "The most classes to show per unit: those it responds to most."


def atlas(
    context: typer.Context,
    *,
    data: Annotated[str, typer.Option(help=DATA_HELP, metavar="DATA")],
    units: Annotated[int, typer.Option(help="The most units to show per layer, its first ones.")] = 64,
    classes: Annotated[int, typer.Option(help=_CLASSES_HELP)] = 10,
    top: Annotated[int, typer.Option(help="How many patches to show per unit.")] = 9,
    images: Annotated[int, typer.Option(help=IMAGES_HELP)] = 50_000,
    split: Annotated[str, typer.Option(help=SPLIT_HELP)] = "train",
    out: Annotated[
        Path, typer.Option("-o", "--out", help=_OUT_HELP, metavar="FILE", rich_help_panel=OUTPUT)
    ] = Path("atlas.html"),
) -> None:
    """Write one page of all units: filters, patches, projections, tuning, classes.

    If it is stopped, the same command resumes it.
    """
    from hubel.tasks.look.atlas import parts_of

    eye = eye_on(context)
    try:
        with progress() as shown:
            eye.atlas(
                data,
                out=out,
                units=units,
                classes=classes,
                top=top,
                images=images,
                split=split,
                progress=shown,
                on_message=lambda text: typer.echo(text, err=True),
            )
    except KeyboardInterrupt:
        typer.echo(
            f"stopped; run the same command again to resume; finished parts are in {parts_of(out)}", err=True
        )
        raise typer.Exit(130) from None
    print(f"wrote {out}, {memory(out.stat().st_size)}")
