"""`hubel look MODEL neuron UNIT IMAGE`: the arithmetic of one unit, number by number."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import AsJson, Image, eye_on, show

_UNIT_HELP = "A unit, such as 'conv2[3,5,7]': map 3, row 5, column 7, counted from 0."


def neuron(
    context: typer.Context,
    unit: Annotated[str, typer.Argument(help=_UNIT_HELP, metavar="UNIT")],
    image: Image,
    as_json: AsJson = False,
) -> None:
    """Show how one unit's value is computed: its window, its weights, their products and their sum."""
    show(eye_on(context).neuron(unit, image), None, as_json=as_json)
