"""`hubel look MODEL patches DATA`: the patches of a data set that drive each map most."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import PNG, AsJson, Data, OutPng, Split, check_out, eye_on, progress, show

_LAYER_HELP = "A layer, all its maps. Repeatable. Default: all activations and the scores."
_MAPS_HELP = "The most maps to show per layer, its first ones. Default: those driven most, a page in all."
_UNIT_HELP = "A map, such as 'relu2[7]'. Repeatable."


def patches(
    context: typer.Context,
    data: Data,
    *,
    layer: Annotated[list[str] | None, typer.Option(help=_LAYER_HELP, metavar="PATH")] = None,
    unit: Annotated[list[str] | None, typer.Option(help=_UNIT_HELP, metavar="UNIT")] = None,
    top: Annotated[int, typer.Option(help="How many patches to show per map.")] = 9,
    maps: Annotated[int | None, typer.Option(help=_MAPS_HELP)] = None,
    split: Split = "auto",
    out: OutPng = None,
    as_json: AsJson = False,
) -> None:
    """Show the patches of a data set that drive each map most, cut to exactly what its units see."""
    check_out(out, PNG, needed=not as_json)
    eye = eye_on(context)
    with progress() as shown:
        found = eye.patches(data, unit, layer=layer, top=top, maps=maps, split=split, progress=shown)
    show(found, out, as_json=as_json)
