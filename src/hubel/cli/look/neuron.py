"""`hubel look MODEL neuron UNIT IMAGE`: the arithmetic of one unit, number by number."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.looked import Looked, seen

UNIT_HELP = "A unit, such as 'conv2[3,5,7]': map 3, row 5, column 7, counted from 0."


def neuron(
    context: typer.Context,
    unit: Annotated[str, typer.Argument(help=UNIT_HELP, metavar="UNIT")],
    image: Annotated[str, typer.Argument(help="An image file.", metavar="IMAGE")],
    as_json: Annotated[bool, typer.Option("--json", help="Print all numbers as JSON.")] = False,
) -> None:
    """Show how one unit's value comes about: its window, its weights, their products, their sum."""
    from hubel.instruments import neuron as instrument
    from hubel.instruments.unit import Unit
    from hubel.report.instruments import neuron as report

    looked: Looked = context.obj
    model, subject = looked.opened()
    chosen = Unit.parse(unit, subject.steps)
    found = instrument.neuron(subject, seen(model, [image])[0], chosen)
    print(report.as_json(found) if as_json else report.as_text(found))
