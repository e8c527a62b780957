"""`hubel zoo`: the networks that have names."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.show import show
from hubel.tasks import zoo as task


def zoo(json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """List the networks of the zoo: year, depth, parameters, MACs, input, published errors."""
    found = task.zoo()
    if json:
        print(found.json())
    else:
        show(found.text())
