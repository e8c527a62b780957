"""`hubel compare`: networks side by side, in a table or as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import ANY_HELP, announce
from hubel.cli.show import show
from hubel.tasks import compare as task


def compare(
    nets: Annotated[
        list[str], typer.Argument(help=f"Two networks or more. {ANY_HELP}", metavar="NET NET ...")
    ],
    volume: Annotated[
        str | None,
        typer.Option("--input", "--volume", help="The input volume of all, HxWxD. Default: each its own."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw accuracy against MACs, and the history of ImageNet; a .svg, .png or .pdf."),
    ] = None,
) -> None:
    """Compare networks: parameters, MACs, memory, depth, receptive field, published errors."""
    announce(*nets)
    found = task.compare(*nets, volume=volume)
    if plot is not None:
        found.plot(plot)
    if json:
        print(found.json())
        return
    show(found.text())
    if plot is not None:
        print(f"drawn to {plot}")
