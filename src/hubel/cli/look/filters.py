"""`hubel look MODEL filters`: a layer's filters, what drives them, and which are dead or duplicates."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import (
    DATA_HELP,
    IMAGES_HELP,
    TRAINED_SPLIT_HELP,
    AsJson,
    OutImage,
    check_out,
    eye_on,
    progress,
    show,
)

PANEL = "What drives the filters"
_DATA_HELP = (
    f"{DATA_HELP} Deeper filters are drawn by the images that drive them; those that none drives are "
    "listed as dead."
)
_ALIKE_HELP = (
    "Filters whose cosine similarity is at least this are duplicates; at most its negative, negatives of "
    "each other."
)


def filters(
    context: typer.Context,
    *,
    layer: Annotated[
        str | None, typer.Option(help="The layer. Default: the first convolution.", metavar="PATH")
    ] = None,
    alike: Annotated[float, typer.Option(help=_ALIKE_HELP)] = 0.95,
    data: Annotated[str | None, typer.Option(help=_DATA_HELP, metavar="DATA", rich_help_panel=PANEL)] = None,
    images: Annotated[int, typer.Option(help=IMAGES_HELP, rich_help_panel=PANEL)] = 1000,
    maps: Annotated[
        int, typer.Option(help="How many filters to draw, those with most energy.", rich_help_panel=PANEL)
    ] = 16,
    split: Annotated[str, typer.Option(help=TRAINED_SPLIT_HELP, rich_help_panel=PANEL)] = "auto",
    out: OutImage = None,
    as_json: AsJson = False,
) -> None:
    """Show a layer's filters on one scale, or what drives them; list the dead and the duplicates."""
    check_out(out)
    eye = eye_on(context)
    with progress() as shown:
        found = eye.filters(
            layer, data=data, images=images, maps=maps, split=split, alike=alike, progress=shown
        )
    show(found, out, as_json=as_json, text=out is None)
