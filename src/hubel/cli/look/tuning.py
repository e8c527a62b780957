"""`hubel look MODEL tuning`: units before gratings; `hubel look MODEL topography`: a map before a spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.looked import Looked, progress, write
from hubel.cli.output import image_form
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.instruments.subject import Subject
    from hubel.instruments.tuning import Tuning
    from hubel.instruments.unit import Unit

LAYER_HELP = (
    "A layer, one of its maps or one unit, such as relu2, 'relu2[7]' or 'relu2[7,3,5]'; give it again for "
    "more. A map stands for its central unit. Default: the first activation, and all layers' medians."
)
SPOT_LAYER_HELP = (
    "A layer by its path; give it again for more. Default: up to four activations from first to last."
)
OUT_HELP = "The PNG to write."
JSON_HELP = "Print the numbers as JSON."


def tuning(
    context: typer.Context,
    *,
    layer: Annotated[list[str] | None, typer.Option(help=LAYER_HELP, metavar="PATH")] = None,
    colour: Annotated[str, typer.Option(help="What alternates: grey, red-green or blue-yellow.")] = "grey",
    contrast: Annotated[float, typer.Option(help="Michelson's, above 0 to 1: black to white.")] = 1.0,
    orientations: Annotated[int, typer.Option(help="How many, evenly over 180 degrees.")] = 24,
    frequencies: Annotated[int, typer.Option(help="How many, up to 0.4 cycles per pixel.")] = 8,
    phases: Annotated[int, typer.Option(help="How many, evenly over a cycle.")] = 8,
    out: Annotated[Path | None, typer.Option("-o", "--out", help=OUT_HELP, metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """How units answer to gratings: orientation, frequency, and whether they are simple or complex."""
    from hubel.instruments.tuning import Gratings, tune
    from hubel.report.instruments import tuning as report

    if out is not None:
        image_form(out, ("png",))
    looked: Looked = context.obj
    model, subject = looked.opened()
    units = _units(subject, layer or [])
    gratings = Gratings.over(
        subject.volume,
        orientations=orientations,
        frequencies=frequencies,
        phases=phases,
        contrast=contrast,
        colour=colour,
    )
    with progress("showing gratings", len(gratings)) as done:
        found = tune(subject, units, model.preprocessing.normalise, gratings, progress=done)
    print(report.as_json(found) if as_json else report.as_text(found))
    if out is not None:
        write(out, report.tuning_figure(_drawn(found, layer), found), silent=as_json)


def topography(
    context: typer.Context,
    *,
    layer: Annotated[list[str] | None, typer.Option(help=SPOT_LAYER_HELP, metavar="PATH")] = None,
    spot: Annotated[int, typer.Option(help="The spot's side in pixels of the input.")] = 1,
    out: Annotated[Path | None, typer.Option("-o", "--out", help=OUT_HELP, metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """How position in a map follows position in the image: a spot of light walks, the answer moves."""
    from hubel.instruments.topography import topography as instrument
    from hubel.report.instruments import topography as report

    if out is not None:
        image_form(out, ("png",))
    looked: Looked = context.obj
    model, subject = looked.opened()
    paths = layer or _some_layers(subject)
    steps = sum(side - spot + 1 for side in subject.volume.plane)
    with progress("walking a spot", steps) as done:
        found = instrument(subject, paths, model.preprocessing.normalise, spot=spot, progress=done)
    print(report.as_json(found) if as_json else report.as_text(found))
    if out is not None:
        write(out, report.topography_figure(found), silent=as_json)


def _units(subject: Subject, names: list[str]) -> list[Unit]:
    """The units asked for; of all activations the central ones where none are."""
    from hubel.instruments.patches import features
    from hubel.instruments.unit import Unit

    if names:
        return [Unit.parse(name, subject.steps) for name in names]
    return [Unit(path) for path in features(subject)]


def _drawn(found: tuple[Tuning, ...], layer: list[str] | None) -> tuple[Tuning, ...]:
    """The layers whose units are drawn one by one."""
    return found if layer else found[:1]


def _some_layers(subject: Subject) -> list[str]:
    """Up to four layers that have places, evenly from the first to the last."""
    from hubel.instruments.patches import features

    there = [path for path in features(subject) if max(subject.step(path).output.plane) > 1]
    if not there:
        raise UsageError("no layer of this network has places; its units see the whole image")
    count = min(4, len(there))
    return [there[round(at * (len(there) - 1) / max(count - 1, 1))] for at in range(count)]
