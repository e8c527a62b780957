"""The command `hubel look`: a model, then an instrument; help on an instrument needs no model."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.loading import LazyGroup, Verb
from hubel.cli.network import CODE_HELP, FORCE_HELP, MODEL_HELP
from hubel.errors import UsageError

MODEL = "MODEL"
"""How help calls the model, and what stands for it where only help is asked for."""

SUMMARIES = {
    "filters": "Show a layer's filters on one scale, or what drives them; list the dead and the duplicates.",
    "maps": "Draw the maps of an image, or its whole forward pass from pixels to class scores.",
    "neuron": "Show how one unit's value is computed: its window, its weights, their products and their sum.",
    "patches": "Show the patches of a data set that drive each map most, cut to exactly what its units see.",
    "deconv": "Project units back to pixels, of an image by three rules or beside the patches of a data set.",
    "synthesise": "Make images that excite units, maps or classes, by gradient ascent on their activation.",
    "attribution": "Draw over an image which parts of it speak for a class.",
    "embedding": "Lay out images by their features before the last layer, or find those most similar to one.",
    "tuning": "Measure how units respond to gratings: orientation, frequency, and simple or complex.",
    "topography": "Move a spot of light over the image, and see which positions of each map respond.",
    "ablate": "Silence units one at a time, and see which classes lose recall.",
    "compare": "Compare networks layer by layer (CKA), or follow maps through a training run.",
    "atlas": "Write one page of all units: filters, patches, projections, tuning, classes.",
}
"""Every instrument with its summary, the first line of its docstring, in the order of `hubel look --help`."""

OWN = ("--allow-code", "--force")
"""The options of the group, which may also follow the model or the instrument."""


INSTRUMENTS = {name: Verb(f"hubel.cli.look.{name}", name, summary) for name, summary in SUMMARIES.items()}


class LookGroup(LazyGroup):
    """A group that takes a model first, and shows an instrument's help without one."""

    verbs = INSTRUMENTS

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # typer's own context
        """Puts a model in front of `INSTRUMENT --help`, and the group's own options in front of the model.

        Raises UsageError: an instrument where the model belongs.
        """
        own = [each for each in OWN if each in args]
        args = [each for each in args if each not in OWN]
        if args and args[0] in self.commands and (len(args) < 2 or args[1] not in self.commands):
            if not set(args) & set(ctx.help_option_names):
                raise UsageError(
                    f"the model comes first: hubel look MODEL {args[0]} ..., for example "
                    f"hubel look runs/a {args[0]} ..."
                )
            args = [MODEL, *args]
        return super().parse_args(ctx, [*own, *args])


look = typer.Typer(cls=LookGroup, help="Look inside a trained network.", no_args_is_help=True)


@look.callback()
def model(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar=MODEL)],
    allow_code: Annotated[bool, typer.Option("--allow-code", help=CODE_HELP)] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Look inside a trained network."""
    context.obj = model, allow_code, force
