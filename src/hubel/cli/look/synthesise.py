"""`hubel look MODEL synthesise UNIT...`: images made to excite units, maps or classes."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import PNG, AsJson, OutPng, check_out, eye_on, progress, show

_UNITS_HELP = "Maps such as 'conv2[3]', units such as 'conv2[3,5,7]', or a layer for its first maps."
_COLOURS_HELP = "A folder of images or a set's name, whose colours to use. Default: ImageNet's."


def synthesise(
    context: typer.Context,
    units: Annotated[list[str] | None, typer.Argument(help=_UNITS_HELP, metavar="UNIT")] = None,
    *,
    label: Annotated[
        list[str] | None,
        typer.Option("--class", help="A class by its name, or all. Repeatable.", metavar="NAME"),
    ] = None,
    steps: Annotated[int, typer.Option(help="The number of optimisation steps.")] = 256,
    seed: Annotated[int, typer.Option(help="Random seed of the first image and its jitter.")] = 0,
    maps: Annotated[int, typer.Option(help="The most maps to show per layer.")] = 16,
    colours: Annotated[str | None, typer.Option(help=_COLOURS_HELP, metavar="DATA")] = None,
    out: OutPng = None,
    as_json: AsJson = False,
) -> None:
    """Make images that excite units, maps or classes, by gradient ascent on their activation."""
    check_out(out, PNG, needed=not as_json)
    eye = eye_on(context)
    with progress() as shown:
        found = eye.synthesise(
            units, label=label, steps=steps, seed=seed, maps=maps, colours=colours, progress=shown
        )
    show(found, out, as_json=as_json)
