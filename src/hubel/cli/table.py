"""`hubel table`: every layer of a network, its size and its costs."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.network import ANY_HELP, INPUT_HELP, announce
from hubel.cli.show import show
from hubel.errors import UsageError
from hubel.net.trace import UnfitError, UnreadError
from hubel.tasks import table as task
from hubel.tasks.words import one_of

FORMATS = ("text", "markdown", "csv", "json")


def table(
    net: Annotated[str, typer.Argument(help=ANY_HELP, metavar="NET")],
    volume: Annotated[str | None, typer.Option("--input", "--volume", help=INPUT_HELP)] = None,
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse windows that leave part of their input unused.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns, separated by commas: names, headings, or all. JSON always has all."),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Of a module that returns several results, the key or number of one.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="How to print the table: text, markdown, csv or json.")
    ] = "text",
) -> None:
    """Print the size, parameters, MACs and receptive field of each layer, totals and memory.

    Under "sees" stands the size of the receptive field, in pixels of the input.
    """
    chosen = one_of("--format", form, FORMATS)
    if columns and chosen == "json":
        raise UsageError("--columns is for text, markdown and csv; JSON always has every column")
    announce(net)
    try:
        found = task.table(net, volume, strict=strict, columns=columns, output=output)
    except (UnfitError, UnreadError) as error:
        if chosen == "text" and error.steps:
            show(task.rows_before(error, columns))
        raise
    if chosen == "text":
        show(found.text())
    else:
        print({"markdown": found.markdown, "csv": found.csv, "json": found.json}[chosen]())
