"""`hubel look MODEL INSTRUMENT ...`: one file an instrument; each parses, calls, draws and writes."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look import (
    ablate,
    atlas,
    attribution,
    compare,
    deconv,
    embedding,
    filters,
    maps,
    neuron,
    patches,
    synthesise,
    tuning,
)
from hubel.cli.look.looked import Looked
from hubel.cli.network import MODEL_HELP

look = typer.Typer(help="Look inside a trained network.", no_args_is_help=True)
look.command("filters")(filters.filters)
look.command("maps")(maps.maps)
look.command("neuron")(neuron.neuron)
look.command("patches")(patches.patches)
look.command("deconv")(deconv.deconv)
look.command("synthesise")(synthesise.synthesise)
look.command("attribution")(attribution.attribution)
look.command("embedding")(embedding.embedding)
look.command("tuning")(tuning.tuning)
look.command("topography")(tuning.topography)
look.command("ablate")(ablate.ablate)
look.command("compare")(compare.compare)
look.command("atlas")(atlas.atlas)


@look.callback()
def model(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
) -> None:
    """Look inside a trained network."""
    context.obj = Looked(model)
