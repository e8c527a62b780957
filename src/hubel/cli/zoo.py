"""`hubel zoo`: every network there is by name."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.output import terminal
from hubel.report.zoo import as_json, as_text, catalogue


def zoo(json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """List the networks of the zoo: year, depth, parameters, MACs, input, published errors."""
    lines = catalogue()
    if json:
        print(as_json(lines))
    else:
        terminal(100).print(as_text(lines), end="")
