"""`hubel draw`: a network as the papers draw it, written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import ANY_HELP, INPUT_HELP, announce
from hubel.tasks import draw as task


def draw(
    net: Annotated[str, typer.Argument(help=ANY_HELP, metavar="NET")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file to write: .svg, .png or .pdf.")],
    volume: Annotated[str | None, typer.Option("--input", "--volume", help=INPUT_HELP)] = None,
) -> None:
    """Draw a network: volumes as boxes to scale, branches, skip connections and side heads."""
    announce(net)
    task.draw(net, volume, out)
    print(f"wrote {out}")
