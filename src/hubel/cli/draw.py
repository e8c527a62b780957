"""`hubel draw`: a network as the papers draw it, volumes to scale and what turns one into the next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel import ledger
from hubel.cli.network import ANY_HELP, network
from hubel.cli.output import image_form


def draw(
    net: Annotated[str, typer.Argument(help=ANY_HELP, metavar="NET")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The image: a .svg, .png or .pdf file.")],
    size: Annotated[
        str | None, typer.Option("--input", help="The input volume, HxWxD; a network of the zoo has its own.")
    ] = None,
) -> None:
    """Draw a network: volumes as boxes to scale, branches, skip connections and side heads."""
    form = image_form(out)
    steps = ledger(*network(net, size)).steps

    from hubel.files import write_whole
    from hubel.report.drawing.layout import layout
    from hubel.report.drawing.paint import draw as painted

    write_whole(out, painted(layout(steps), form))
    print(f"wrote {out}")
