"""`hubel bench`: how fast each engine runs a model on this machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hubel.cli.network import CODE_HELP, FORCE_HELP, INPUT_HELP, announce_code_of

MODEL_HELP = "A run's folder, a model's file, or a network, which gets random weights."


def bench(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
    *,
    volume: Annotated[str | None, typer.Option("--input", "--volume", help=INPUT_HELP)] = None,
    batch: Annotated[str, typer.Option(help="The numbers of images in a batch.")] = "1,16",
    data: Annotated[
        str | None,
        typer.Option(help="Images to compare the answers on. Default: those the model was trained on."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long to measure an engine for each batch.")] = 3.0,
    allow_code: Annotated[bool, typer.Option("--allow-code", help=CODE_HELP)] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Measure every engine that is installed on a model; predict then takes the best."""
    from hubel.report import bench as report
    from hubel.tasks import bench as task

    if allow_code:
        announce_code_of(model)
    found = task.bench(
        model,
        volume=volume,
        batch=batch,
        data=data,
        seconds=seconds,
        allow_code=allow_code,
        force=force,
        progress=lambda text: print(text, file=sys.stderr),
    )
    print(report.as_json(found) if as_json else report.as_text(found))
