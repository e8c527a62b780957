"""`hubel data preview`: what a network sees of a set of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import FORCE_HELP, HELP, INPUT_HELP, RANGE_HELP
from hubel.report.form import image_form


def preview(
    data: Annotated[str, typer.Argument(help="A folder of images, or a data set's name.", metavar="DATA")],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="The PNG to write.", metavar="FILE")],
    net: Annotated[
        str | None,
        typer.Option("--net", help=f"{HELP} Default: chosen as by `hubel train`."),
    ] = None,
    volume: Annotated[str | None, typer.Option("--input", "--volume", help=INPUT_HELP)] = None,
    fit: Annotated[
        str | None,
        typer.Option(
            help="How images of another aspect ratio are resized: crop, pad or squash. "
            "Default: the saved model's setting, or crop."
        ),
    ] = None,
    range: Annotated[str | None, typer.Option(help=RANGE_HELP)] = None,  # noqa: A002 - the setting's name
    recipe: Annotated[
        str | None, typer.Option(help="The recipe whose augmentation is shown: its name or a .toml file.")
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="The time of the run, by which hubel train would choose the network and its input."
        ),
    ] = None,
    start: Annotated[
        str, typer.Option("--from", help="Model to start from: a run's folder, a file, a name, auto or none.")
    ] = "auto",
    each: Annotated[int, typer.Option(help="The number of images per class.")] = 2,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Draw images of each class beside what the network sees of them, plain and twice augmented."""
    image_form(out, ("png",))
    from hubel.tasks.data_preview import data_preview

    found = data_preview(
        data,
        net=net,
        volume=volume,
        fit=fit,
        range=range,
        recipe=recipe,
        time=time,
        start=start,
        each=each,
        seed=seed,
        force=force,
    )
    found.save(out)
    print("\n".join((f"wrote {out}", *found.notes)))
