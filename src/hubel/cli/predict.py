"""`hubel predict`: what a model says of image files."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.network import MODEL_HELP
from hubel.errors import UsageError


def predict(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
    images: Annotated[list[str], typer.Argument(help="Image files.", metavar="IMAGES...")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    top: Annotated[int, typer.Option(help="How many classes to name for each image.")] = 5,
) -> None:
    """Name what is in images, the most probable class first; exit status 1 if any cannot be read."""
    from hubel.report import prediction
    from hubel.ship import open_model
    from hubel.ship import predict as predictions

    if top < 1:
        raise UsageError(f"--top is at least 1, not {top}")
    found = list(predictions(open_model(model), images, top))
    print(prediction.as_json(found) if as_json else prediction.as_text(found))
    if any(each.error for each in found):
        raise typer.Exit(1)
