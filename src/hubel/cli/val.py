"""`hubel val`: how well a model does on labelled images."""

from __future__ import annotations

import sys
from typing import Annotated, get_args

import typer

from hubel.cli.network import MODEL_HELP
from hubel.tasks.words import one_of


def val(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
    data: Annotated[str, typer.Argument(help="A folder of images, or a set's name.", metavar="DATA")],
    split: Annotated[
        str,
        typer.Option(
            help="train, val, test; or auto: test where the data has it, else val; of data without splits, "
            "the images held out when the model was trained on them, or all that are new to it."
        ),
    ] = "auto",
    on_bad: Annotated[
        str, typer.Option(help="What an image that cannot be read does: stop or skip.")
    ] = "stop",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Measure a model on labelled images: accuracy, loss, calibration, every class."""
    from hubel.data.feed.bad import OnBad
    from hubel.evaluation.splits import measure
    from hubel.model.open import open_model
    from hubel.report import evaluation
    from hubel.report.training import left_out_text

    trained = open_model(model)
    measured = measure(trained, data, split, one_of("--on-bad", on_bad, get_args(OnBad)))
    if skipped := measured.images.skipped:
        print(left_out_text(skipped, measured.usable), file=sys.stderr)
    if known := evaluation.known_text(measured):
        print(known, file=sys.stderr)
    if as_json:
        print(evaluation.as_json(measured.split, measured.result, trained.classes, measured.known))
    else:
        print(evaluation.as_text(measured.split, measured.result, trained.classes))
