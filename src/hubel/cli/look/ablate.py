"""`hubel look MODEL ablate DATA`: which classes lose recall when units are silenced."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import (
    PNG,
    AsJson,
    Data,
    Images,
    OutPng,
    TrainedSplit,
    check_out,
    eye_on,
    progress,
    show,
)

_LAYER_HELP = (
    "A layer, whose maps are silenced one by one, or one map, such as relu2 or 'relu2[7]'. Repeatable. "
    "Default: the last activation."
)
_TO_HELP = (
    "The value of a silenced map: mean, its mean over the images, so that later layers stay at their "
    "working point; or zero."
)


def ablate(
    context: typer.Context,
    data: Data,
    *,
    layer: Annotated[list[str] | None, typer.Option(help=_LAYER_HELP, metavar="PATH")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Silence each --layer as a whole.")] = False,
    to: Annotated[str, typer.Option(help=_TO_HELP)] = "mean",
    images: Images = 1000,
    split: TrainedSplit = "auto",
    out: OutPng = None,
    as_json: AsJson = False,
) -> None:
    """Silence units one at a time, and see which classes lose recall."""
    check_out(out, PNG)
    eye = eye_on(context)
    with progress() as shown:
        found = eye.ablate(data, layer=layer, whole=whole, to=to, images=images, split=split, progress=shown)
    show(found, out, as_json=as_json)
