"""`hubel table`: everything there is to know about a network, before any tensor exists."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hubel import ledger
from hubel.cli.network import ANY_HELP, network
from hubel.cli.output import terminal
from hubel.errors import UsageError
from hubel.net.algebra import Net
from hubel.net.ledger import Ledger
from hubel.net.trace import UnfitError
from hubel.report.table import (
    COLUMNS,
    DEFAULT,
    as_csv,
    as_json,
    as_markdown,
    as_text,
    check_columns,
    rows_as_text,
)


class Format(StrEnum):
    """How a table is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"


def table(
    net: Annotated[
        str,
        typer.Argument(help=ANY_HELP, metavar="NET"),
    ],
    size: Annotated[
        str | None, typer.Option("--input", help="The input volume, HxWxD; a network of the zoo has its own.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse windows that leave a part of their input unseen.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How to write the table.")] = Format.TEXT,
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Names or headings with commas between, or all; not of JSON."),
    ] = None,
) -> None:
    """Print every layer's size, parameters, MACs and receptive field, with totals and memory."""
    names = _columns(columns)
    if names and form is Format.JSON:
        raise UsageError("--columns is for text, markdown and csv; JSON has every column always")
    console = terminal()
    try:
        made, volume = network(net, size)
        whole = ledger(made, volume, strict=strict)
    except UnfitError as error:
        if form is Format.TEXT and error.steps:
            broken = Ledger.of(error.steps[0].inputs[0], error.steps)
            console.print(rows_as_text(broken, console.width, names or DEFAULT), end="")
        raise
    if form is Format.JSON:
        print(as_json(whole, repr(made) if isinstance(made, Net) else net))
    elif form is Format.CSV:
        print(as_csv(whole, names or tuple(COLUMNS)))
    elif form is Format.MARKDOWN:
        print(as_markdown(whole, names or DEFAULT))
    else:
        console.print(as_text(whole, console.width, names or DEFAULT))


def _columns(names: str | None) -> tuple[str, ...] | None:
    return check_columns([name.strip() for name in names.split(",")]) if names else None
