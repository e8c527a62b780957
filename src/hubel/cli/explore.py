"""`hubel explore`: a network on a page in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import CODE_HELP, FORCE_HELP, INPUT_HELP, announce_code_of

WHAT_HELP = "A run's folder, a model's file, a notation or a network of the zoo. Default: LeNet-5 for digits."
DATA_HELP = "Images to look at: a folder, or a set's name. Default: those of the run."
ATLAS_HELP = "What `hubel look MODEL atlas` wrote. Default: the atlas.html beside the model, if there is one."
OUT_HELP = "Write the page to this file instead; it needs no server. For up to a million parameters."


def explore(
    what: Annotated[str | None, typer.Argument(help=WHAT_HELP, metavar="NET|MODEL")] = None,
    volume: Annotated[str | None, typer.Option("--input", "--volume", help=INPUT_HELP)] = None,
    *,
    data: Annotated[str | None, typer.Option(help=DATA_HELP, metavar="DATA")] = None,
    atlas: Annotated[Path | None, typer.Option(help=ATLAS_HELP, metavar="FILE|FOLDER")] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at; 0 for a free one.")] = 8001,
    out: Annotated[Path | None, typer.Option("-o", "--out", help=OUT_HELP, metavar="FILE")] = None,
    open: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,  # noqa: A002
    allow_code: Annotated[bool, typer.Option("--allow-code", help=CODE_HELP)] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Walk through a network in the browser: its layers, an image through it, every unit's arithmetic."""
    from hubel.report.units import memory
    from hubel.tasks.explore import explore as task

    if allow_code and what:
        announce_code_of(what)
    task(
        what,
        volume,
        data=data,
        atlas=atlas,
        host=host,
        port=port,
        out=out,
        open=open,
        allow_code=allow_code,
        force=force,
        on_ready=lambda address: print(f"the page is at {address}; Ctrl-C ends it", flush=True),
    )
    if out is not None:
        print(f"wrote {out}, {memory(out.stat().st_size)}")
