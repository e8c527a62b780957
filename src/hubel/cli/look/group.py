"""The command `hubel look`: a model, then an instrument; help on an instrument needs no model."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

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
    topography,
    tuning,
)
from hubel.cli.network import MODEL_HELP
from hubel.errors import UsageError

MODEL = "MODEL"
"""How help calls the model, and what stands for it where only help is asked for."""


class LookGroup(TyperGroup):
    """A group that takes a model first, and shows an instrument's help without one."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # typer's own context
        """Puts a model in front of `INSTRUMENT --help`.

        Raises UsageError: an instrument where the model belongs.
        """
        if args and args[0] in self.commands and (len(args) < 2 or args[1] not in self.commands):
            if not set(args) & set(ctx.help_option_names):
                raise UsageError(
                    f"the model comes first: hubel look MODEL {args[0]} ..., for example "
                    f"hubel look runs/a {args[0]} ..."
                )
            args = [MODEL, *args]
        return super().parse_args(ctx, args)


look = typer.Typer(cls=LookGroup, help="Look inside a trained network.", no_args_is_help=True)
look.command("filters")(filters.filters)
look.command("maps")(maps.maps)
look.command("neuron")(neuron.neuron)
look.command("patches")(patches.patches)
look.command("deconv")(deconv.deconv)
look.command("synthesise")(synthesise.synthesise)
look.command("attribution")(attribution.attribution)
look.command("embedding")(embedding.embedding)
look.command("tuning")(tuning.tuning)
look.command("topography")(topography.topography)
look.command("ablate")(ablate.ablate)
look.command("compare")(compare.compare)
look.command("atlas")(atlas.atlas)


@look.callback()
def model(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar=MODEL)],
) -> None:
    """Look inside a trained network."""
    context.obj = model
