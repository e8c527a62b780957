"""`hubel look MODEL deconv IMAGE|DATA`: units projected back to pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.look.shared import OUTPUT, PNG, SPLIT_HELP, check_out, eye_on, progress, show

PANEL = "With a data set"
_SOURCE_HELP = "An image file; or a folder of images or a set's name, for the patches that drive each map."
_UNIT_HELP = (
    "A map such as 'relu2[7]' (of an image: its strongest unit); of an image also a unit such as "
    "'relu2[7,3,5]'. Repeatable."
)
_LAYER_HELP = "A layer: of an image its strongest maps, of a set its first ones. Repeatable."
_MAPS_HELP = "The most maps to show per layer. Default: 12, and of a set those driven most, a page in all."
_RULE_HELP = (
    "deconv, guided or gradient. Default: deconv; guided in a network without max pooling, where deconv "
    "gives the same for every image. A single image is drawn by all three."
)


def deconv(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help=_SOURCE_HELP, metavar="IMAGE|DATA")],
    *,
    unit: Annotated[list[str] | None, typer.Option(help=_UNIT_HELP, metavar="UNIT")] = None,
    layer: Annotated[list[str] | None, typer.Option(help=_LAYER_HELP, metavar="PATH")] = None,
    maps: Annotated[int | None, typer.Option(help=_MAPS_HELP)] = None,
    rule: Annotated[str | None, typer.Option(help=_RULE_HELP, rich_help_panel=PANEL)] = None,
    top: Annotated[int, typer.Option(help="How many patches to show per map.", rich_help_panel=PANEL)] = 9,
    split: Annotated[str, typer.Option(help=SPLIT_HELP, rich_help_panel=PANEL)] = "auto",
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="The PNG file to write.", metavar="FILE", rich_help_panel=OUTPUT),
    ],
) -> None:
    """Project units back to pixels, of an image by three rules or beside the patches of a data set."""
    check_out(out, PNG)
    eye = eye_on(context)
    with progress() as shown:
        found = eye.deconv(
            source, unit, layer=layer, rule=rule, top=top, maps=maps, split=split, progress=shown
        )
    show(found, out, as_json=False)
