"""`hubel table`: everything there is to know about a network, before any tensor exists."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from hubel.cli.network import HELP, network
from hubel.errors import SizeError
from hubel.net import ledger
from hubel.net.ledger import Ledger
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
    net: Annotated[str, typer.Argument(help=HELP, metavar="NET")],
    size: Annotated[
        str | None, typer.Option("--input", help="The input volume, HxWxD; a network of the zoo has its own.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse windows that leave a part of their input unseen.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How to write the table.")] = Format.TEXT,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Column names with commas between, or all.")
    ] = None,
) -> None:
    """Print every layer's size, parameters, MACs and receptive field, with totals and memory."""
    names = _columns(columns)
    console = _console()
    made, volume = network(net, size)
    try:
        whole = ledger(made, volume, strict=strict)
    except SizeError as error:
        if form is Format.TEXT:
            broken = Ledger.of(volume, error.steps)
            console.print(rows_as_text(broken, console.width, names or DEFAULT), end="")
        raise
    if form is Format.JSON:
        print(as_json(whole, repr(made)))
    elif form is Format.CSV:
        print(as_csv(whole, names or tuple(COLUMNS)))
    elif form is Format.MARKDOWN:
        print(as_markdown(whole, names or DEFAULT))
    else:
        console.print(as_text(whole, console.width, names or DEFAULT))


def _columns(names: str | None) -> tuple[str, ...] | None:
    return check_columns([name.strip() for name in names.split(",")]) if names else None


def _console() -> Console:
    """The terminal; where there is none, one wide enough not to fold."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 160
    return console
