"""`hubel predict`: what a model says of image files."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.network import MODEL_HELP
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.model.prediction import Prediction


def predict(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files; or folders, for the images in them and in their folders.",
            metavar="IMAGES...",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a table for a spreadsheet: file, class, probability, error.")
    ] = False,
    top: Annotated[
        int | None, typer.Option(help="How many classes to name for each image. Default: 5, of --csv 1.")
    ] = None,
) -> None:
    """Name what is in images, the most probable class first; exit status 1 if any cannot be read."""
    from hubel.model.open import open_model
    from hubel.model.prediction import predictions, several
    from hubel.report import prediction

    if as_json and as_csv:
        raise UsageError("print one of --json and --csv")
    most = top if top is not None else 1 if as_csv else 5
    if most < 1:
        raise UsageError(f"--top is at least 1, not {most}")
    if as_csv and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    unread = 0

    def counted() -> Iterator[Prediction]:
        nonlocal unread
        for each in predictions(open_model(model), [*several(images)], most):
            unread += bool(each.error)
            yield each

    said = prediction.as_json if as_json else prediction.as_csv if as_csv else prediction.as_text
    for text in said(counted()):
        print(text)
    if unread:
        raise typer.Exit(1)
