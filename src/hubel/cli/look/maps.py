"""`hubel look MODEL maps IMAGE`: what each layer makes of an image."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import AsJson, Image, OutImage, check_out, eye_on, show

_LAYERS_HELP = (
    "Layers, separated by commas, or all: draws their maps and what each cell sees. "
    "Default: the whole forward pass, from image to scores."
)


def maps(
    context: typer.Context,
    image: Image,
    *,
    layers: Annotated[str | None, typer.Option(help=_LAYERS_HELP, metavar="PATHS")] = None,
    columns: Annotated[int, typer.Option(help="The most layers of the forward pass to draw.")] = 24,
    out: OutImage = None,
    as_json: AsJson = False,
) -> None:
    """Draw the maps of an image, or its whole forward pass from pixels to class scores."""
    check_out(out, needed=not as_json)
    show(eye_on(context).maps(image, layers=layers, columns=columns), out, as_json=as_json)
