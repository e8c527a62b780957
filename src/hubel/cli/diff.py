"""`hubel diff`: the layers in which two networks differ."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel import ledger
from hubel.cli.network import ANY_HELP, network
from hubel.cli.output import terminal
from hubel.errors import HubelError, UsageError
from hubel.net.ledger import Ledger
from hubel.report.diff.changes import changes
from hubel.report.diff.text import as_json, as_text


def diff(
    before: Annotated[str, typer.Argument(help=f"A network. {ANY_HELP}", metavar="NET")],
    after: Annotated[str, typer.Argument(help="Another one.", metavar="NET")],
    size: Annotated[
        str | None, typer.Option("--input", help="The input volume of both, HxWxD; the zoo's have their own.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Show the layers in which two networks differ; exit status 0 if none, 1 if some, 2 for trouble."""
    tables = _ledger(before, size), _ledger(after, size)
    found = changes(*tables)
    if json:
        print(as_json((before, after), *tables, found))
    else:
        terminal(100).print(as_text((before, after), *tables, found), end="")
    if found:
        raise typer.Exit(1)


def _ledger(text: str, size: str | None) -> Ledger:
    """The ledger of a network. Raises UsageError: there is none; status 1 says that networks differ."""
    try:
        return ledger(*network(text, size))
    except HubelError as error:
        raise UsageError(str(error)) from error
