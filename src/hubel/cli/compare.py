"""`hubel compare`: networks side by side, in a table or as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import ANY_HELP, network
from hubel.cli.output import image_form, terminal
from hubel.errors import UsageError
from hubel.files import write_whole
from hubel.report.compare.facts import Facts
from hubel.report.compare.text import as_json, as_text


def compare(
    nets: Annotated[
        list[str], typer.Argument(help=f"Two networks or more. {ANY_HELP}", metavar="NET NET ...")
    ],
    size: Annotated[
        str | None, typer.Option("--input", help="The input volume of all, HxWxD; the zoo's have their own.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw accuracy against MACs, and ImageNet's history, to an .svg, .png or .pdf."),
    ] = None,
) -> None:
    """Compare networks: parameters, MACs, memory, depth, receptive field, and where each of them sits."""
    if len(nets) < 2:
        raise UsageError("a comparison takes two networks or more; for one there is hubel table")
    facts = [Facts.of(_name(net), *network(net, size)) for net in nets]
    if plot is not None:
        _draw(facts, plot)
    if json:
        print(as_json(facts))
        return
    console = terminal(100)
    console.print(as_text(facts, console.width), end="")
    if plot is not None:
        console.print(f"drawn to {plot}")


def _draw(facts: list[Facts], path: Path) -> None:
    from hubel.report.compare.plot import plot

    write_whole(path, plot(facts, image_form(path)))


def _name(net: str) -> str:
    """What a network is called: a file by its stem, anything else as it was written."""
    return Path(net).stem if net.endswith(".safetensors") else net
