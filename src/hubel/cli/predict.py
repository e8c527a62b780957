"""`hubel predict`: the most probable classes of image files."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.network import CODE_HELP, ENGINE_HELP, FORCE_HELP, MODEL_HELP, announce_code_of
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.model.prediction import Prediction


def predict(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, or folders for the images in them and in their subfolders.",
            metavar="IMAGES...",
        ),
    ],
    *,
    top: Annotated[
        int | None,
        typer.Option(help="The number of classes to print per image. Default: 5, or 1 with --csv."),
    ] = None,
    engine: Annotated[str, typer.Option(help=ENGINE_HELP)] = "auto",
    allow_code: Annotated[bool, typer.Option("--allow-code", help=CODE_HELP)] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a table for a spreadsheet: file, class, probability, error.")
    ] = False,
) -> None:
    """Classify images, the most probable class first; exit status 1 if any cannot be read."""
    from hubel.report import prediction as report
    from hubel.tasks import predict as task

    if as_json and as_csv:
        raise UsageError("use one of --json and --csv, not both")
    if as_csv and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    if allow_code:
        announce_code_of(model)
    as_lines = report.csv_lines if as_csv else report.text_lines

    def show(each: Prediction) -> None:
        for line in () if as_json else as_lines(each):
            print(line)

    if as_csv:
        top = 1 if top is None else top
        print(report.CSV_HEADER)
    found = task.predict(
        model, images, top=top, engine=engine, allow_code=allow_code, force=force, on_prediction=show
    )
    if as_json:
        print(report.as_json(found))
    if any(each.error for each in found):
        raise typer.Exit(1)
