"""`hubel diff`: the layers in which two networks differ."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.network import ANY_HELP, announce
from hubel.cli.show import show
from hubel.errors import HubelError, UsageError
from hubel.tasks import diff as task


def diff(
    before: Annotated[str, typer.Argument(help=f"A network. {ANY_HELP}", metavar="NET")],
    after: Annotated[str, typer.Argument(help="Another network.", metavar="NET")],
    volume: Annotated[
        str | None,
        typer.Option("--input", "--volume", help="The input volume of both, HxWxD. Default: each its own."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Show the layers in which two networks differ; exit status 0 if none, 1 if some, 2 on an error."""
    announce(before, after)
    try:
        found = task.diff(before, after, volume)
    except HubelError as error:
        raise UsageError(str(error)) from error  # status 2: 1 says that they differ
    if json:
        print(found.json())
    else:
        show(found.text())
    if found:
        raise typer.Exit(1)
