"""`hubel draw`: a network as the papers draw it, volumes to scale and what turns one into the next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import HELP, network
from hubel.errors import UsageError
from hubel.net import trace

FORMS = ("svg", "png", "pdf")
"""What a picture can be written as."""


def draw(
    net: Annotated[str, typer.Argument(help=HELP, metavar="NET")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The picture: a .svg, .png or .pdf file.")],
    size: Annotated[
        str | None, typer.Option("--input", help="The input volume, HxWxD; a network of the zoo has its own.")
    ] = None,
) -> None:
    """Draw a network: volumes as boxes to scale, branches, skip connections and side heads."""
    form = _form(out)
    steps = trace(*network(net, size))

    from hubel.files import write_whole
    from hubel.report import drawing

    write_whole(out, drawing.draw(drawing.layout(steps), form))
    print(f"wrote {out}")


def _form(out: Path) -> str:
    """What a file is to be, by its name. Raises UsageError: something else, or no place for it."""
    form = out.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise UsageError(f"a picture is written as .svg, .png or .pdf; {str(out)!r} is none of the three")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {str(out.parent)!r} to write {out.name} to")
    if out.is_dir():
        raise UsageError(f"{str(out)!r} is a folder")
    return form
