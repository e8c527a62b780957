"""`hubel look MODEL topography`: how positions in a map correspond to positions in the image."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import PNG, AsJson, OutPng, check_out, eye_on, progress, show

_LAYER_HELP = "A layer. Repeatable. Default: up to four activations from first to last."


def topography(
    context: typer.Context,
    *,
    layer: Annotated[list[str] | None, typer.Option(help=_LAYER_HELP, metavar="PATH")] = None,
    spot: Annotated[int, typer.Option(help="The side of the spot, in pixels of the input.")] = 1,
    out: OutPng = None,
    as_json: AsJson = False,
) -> None:
    """Move a spot of light over the image, and see which positions of each map respond."""
    check_out(out, PNG)
    eye = eye_on(context)
    with progress() as shown:
        found = eye.topography(layer=layer, spot=spot, progress=shown)
    show(found, out, as_json=as_json)
