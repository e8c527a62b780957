"""`hubel val`: how well a model does on labelled pictures."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hubel.cli.network import MODEL_HELP


def val(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
    data: Annotated[str, typer.Argument(help="A folder of pictures, or a set's name.", metavar="DATA")],
    split: Annotated[
        str,
        typer.Option(
            help="train, val, test; or auto: test where the data has it, else val; of data without splits, "
            "the pictures held out when the model was trained on them, or all of them if it was not."
        ),
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Measure loss and accuracy of a model on labelled pictures."""
    from hubel.report.units import count, percent
    from hubel.ship import open_model
    from hubel.train import measure

    trained = open_model(model)
    measured = measure(trained, data, split)
    name, result, images = measured.split, measured.result, len(measured.pictures)
    per_class = {
        label: (int(result.confusion[at, at]), int(result.confusion[at].sum()))
        for at, label in enumerate(trained.classes)
    }
    if as_json:
        classes = {label: {"right": right, "images": of} for label, (right, of) in per_class.items()}
        print(
            json.dumps(
                {
                    "images": images,
                    "loss": result.loss,
                    "top1": result.top1,
                    "split": name,
                    "classes": classes,
                },
                indent=2,
                ensure_ascii=False,
            )
        )
        return
    print(f"{name}: {count(images)} images, {percent(result.top1)} right, loss {result.loss:.4f}")
    for label, (right, of) in per_class.items():
        print(f"  {percent(right / of) if of else '-':>9}  {count(right)} of {count(of)}  {label}")
