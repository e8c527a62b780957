"""`hubel look MODEL filters`: the filters of a layer, which are dead and which are there twice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.errors import UsageError

FORMS = ("svg", "png", "pdf")
"""What a picture can be written as."""


def filters(
    context: typer.Context,
    *,
    layer: Annotated[
        str | None, typer.Option(help="A layer's path. Default: the first convolution.", metavar="PATH")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The picture: a .svg, .png or .pdf file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    alike: Annotated[
        float, typer.Option(help="From which cosine on, or below its negative, two filters are twins.")
    ] = 0.95,
) -> None:
    """Show a layer's filters on one scale, and say which are dead or doubled."""
    form = form_of(out)

    from hubel.look import filters as instrument
    from hubel.report.look import filters as report

    found = instrument.filters(context.obj.subject(), layer, alike=alike)
    if as_json:
        print(report.as_json(found))
    elif out is None:
        print(report.as_text(found))
    if out is not None:
        write(out, report.picture(found, form), silent=as_json)


def form_of(out: Path | None) -> str:
    """What a picture's file is to be, by its name. Raises UsageError: something else, or no place for it."""
    if out is None:
        return ""
    form = out.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise UsageError(f"a picture is written as .svg, .png or .pdf; {str(out)!r} is none of the three")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {str(out.parent)!r} to write {out.name} to")
    if out.is_dir():
        raise UsageError(f"{str(out)!r} is a folder")
    return form


def write(out: Path, content: bytes, *, silent: bool) -> None:
    """Writes a picture and says so, unless what is printed is for a program."""
    from hubel.files import write_whole

    write_whole(out, content)
    if not silent:
        print(f"wrote {out}")
