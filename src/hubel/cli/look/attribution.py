"""`hubel look MODEL attribution IMAGE`: which parts of an image speak for a class."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import AsJson, Image, OutImage, check_out, eye_on, progress, show

_CLASS_HELP = "The class to explain. Default: the most probable one."
_LAYER_HELP = "With gradcam: the layer. Default: the last one with several positions, before pooling."
_SQUARE_HELP = (
    "With occlusion: the side of the square, in pixels of the network's input. Default: a fifth of its side."
)
_SANITY_HELP = "Randomise the weights layer by layer from the top, and print how alike the maps stay."


def attribution(
    context: typer.Context,
    image: Image,
    *,
    method: Annotated[str, typer.Option(help="gradcam, integrated, occlusion or gradient.")] = "gradcam",
    label: Annotated[str | None, typer.Option("--class", help=_CLASS_HELP, metavar="NAME")] = None,
    layer: Annotated[str | None, typer.Option(help=_LAYER_HELP, metavar="PATH")] = None,
    square: Annotated[int | None, typer.Option(help=_SQUARE_HELP)] = None,
    sanity: Annotated[bool, typer.Option("--sanity", help=_SANITY_HELP)] = False,
    out: OutImage = None,
    as_json: AsJson = False,
) -> None:
    """Draw over an image which parts of it speak for a class."""
    check_out(out, needed=not (as_json or sanity))
    eye = eye_on(context)
    with progress() as shown:
        found = eye.attribution(
            image, method=method, label=label, layer=layer, square=square, sanity=sanity, progress=shown
        )
    show(found, out, as_json=as_json)
