"""`hubel look MODEL tuning`: how units respond to gratings."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import PNG, AsJson, OutPng, check_out, eye_on, progress, show

GRATINGS = "Gratings"
_LAYER_HELP = (
    "A layer, a map or a unit, such as relu2, 'relu2[7]' or 'relu2[7,3,5]'. A map stands for its central "
    "unit. Repeatable. Default: draws the first activation, and the medians of all."
)


def tuning(
    context: typer.Context,
    *,
    layer: Annotated[list[str] | None, typer.Option(help=_LAYER_HELP, metavar="PATH")] = None,
    colour: Annotated[
        str, typer.Option(help="grey, red-green or blue-yellow.", rich_help_panel=GRATINGS)
    ] = "grey",
    contrast: Annotated[
        float,
        typer.Option(help="Michelson contrast, above 0; 1 is black to white.", rich_help_panel=GRATINGS),
    ] = 1.0,
    orientations: Annotated[
        int, typer.Option(help="How many, evenly over 180 degrees.", rich_help_panel=GRATINGS)
    ] = 24,
    frequencies: Annotated[
        int, typer.Option(help="How many, up to 0.4 cycles per pixel.", rich_help_panel=GRATINGS)
    ] = 8,
    phases: Annotated[
        int, typer.Option(help="How many, evenly over one cycle.", rich_help_panel=GRATINGS)
    ] = 8,
    out: OutPng = None,
    as_json: AsJson = False,
) -> None:
    """Measure how units respond to gratings: orientation, frequency, and simple or complex."""
    check_out(out, PNG)
    eye = eye_on(context)
    with progress() as shown:
        found = eye.tuning(
            layer=layer,
            colour=colour,
            contrast=contrast,
            orientations=orientations,
            frequencies=frequencies,
            phases=phases,
            progress=shown,
        )
    show(found, out, as_json=as_json)
