"""`hubel evaluate`, also called `hubel val`: how well a model does on labelled images."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hubel.cli.network import CODE_HELP, ENGINE_HELP, FORCE_HELP, MODEL_HELP, announce_code_of


def evaluate(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
    data: Annotated[str, typer.Argument(help="A folder of images, or a data set's name.", metavar="DATA")],
    *,
    split: Annotated[
        str,
        typer.Option(
            help="The split to measure on: train, val, test or auto. auto takes test if there is one, else "
            "val. If the data has no splits, it takes the images held out for validation when the model was "
            "trained on them, else all images that are new to the model."
        ),
    ] = "auto",
    on_bad: Annotated[str, typer.Option(help="What to do with unreadable images: stop or skip.")] = "stop",
    engine: Annotated[
        str | None, typer.Option(help=f"{ENGINE_HELP} Default: torch, or what an exported file is for.")
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(help="A paper's way to test: ten-crop, 144-crop, dense, dense:S,S or multi-scale."),
    ] = "",
    allow_code: Annotated[bool, typer.Option("--allow-code", help=CODE_HELP)] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Measure a model on labelled images: accuracy, loss, calibration, every class."""
    from hubel.report import evaluation as report
    from hubel.report.training import left_out_text
    from hubel.tasks import evaluate as task

    if allow_code:
        announce_code_of(model)
    found = task.evaluate(
        model,
        data,
        split=split,
        on_bad=on_bad,
        engine=engine,
        protocol=protocol,
        allow_code=allow_code,
        force=force,
    )
    if found.skipped:
        print(left_out_text(found.skipped, found.usable), file=sys.stderr)
    if known := report.known_text(found):
        print(known, file=sys.stderr)
    print(report.as_json(found) if as_json else report.as_text(found))
