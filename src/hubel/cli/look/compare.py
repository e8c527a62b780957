"""`hubel look MODEL compare OTHER... DATA`: networks layer by layer, or maps through a run's epochs."""

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

PANEL = "Maps over time"
_OTHERS_HELP = "Other models' files or runs' folders."
_LAYER_HELP = "A layer to compare by CKA. Repeatable. Default: all activations and the scores."
_UNIT_HELP = (
    "Follow a map or all maps of a layer, such as 'relu2[7]' or conv1, through the states of a network: "
    "MODEL and the OTHERs in order, where a run's folder stands for the epochs it kept. Repeatable."
)
_STATES_HELP = "The most states to show; early ones are closer together, as networks change most at first."


def compare(
    context: typer.Context,
    others: Annotated[list[str] | None, typer.Argument(help=_OTHERS_HELP, metavar="OTHER")] = None,
    *,
    data: Data,
    layer: Annotated[list[str] | None, typer.Option(help=_LAYER_HELP, metavar="PATH")] = None,
    images: Images = 1000,
    split: TrainedSplit = "auto",
    unit: Annotated[
        list[str] | None, typer.Option(help=_UNIT_HELP, metavar="UNIT", rich_help_panel=PANEL)
    ] = None,
    top: Annotated[int, typer.Option(help="How many patches to show per map.", rich_help_panel=PANEL)] = 1,
    maps: Annotated[
        int, typer.Option(help="The most maps to show per layer, its first ones.", rich_help_panel=PANEL)
    ] = 12,
    states: Annotated[int, typer.Option(help=_STATES_HELP, rich_help_panel=PANEL)] = 8,
    out: OutPng = None,
    as_json: AsJson = False,
) -> None:
    """Compare networks layer by layer (CKA), or follow maps through a training run."""
    check_out(out, PNG, needed=bool(unit) and not as_json)
    eye = eye_on(context)
    with progress() as shown:
        found = eye.compare(
            tuple(others or ()),
            data,
            unit=unit,
            layer=layer,
            top=top,
            maps=maps,
            states=states,
            images=images,
            split=split,
            progress=shown,
        )
    show(found, out, as_json=as_json)
