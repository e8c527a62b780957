"""`hubel look MODEL patches DATA`: the patches of a data set that drive each map most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.looked import Looked, progress, write
from hubel.cli.output import image_form
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.data.dataset import Images
    from hubel.instruments.patches import Patch, Top
    from hubel.instruments.subject import Subject
    from hubel.instruments.unit import Unit
    from hubel.model.file import Model

LAYER_HELP = (
    "A layer by its path, all its maps; give it again for more. Default: all activations and the scores."
)
UNIT_HELP = "A map, such as 'relu2[7]'; give it again for more."
SPLIT_HELP = "train, val, test; or auto: test where the data has it, else val, else all."
MAPS_HELP = "The most maps to take of each layer, its first ones."
OUT_HELP = "The PNG to write."


def patches(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="A folder of images, or a set's name.", metavar="DATA")],
    *,
    layer: Annotated[list[str] | None, typer.Option(help=LAYER_HELP, metavar="PATH")] = None,
    unit: Annotated[list[str] | None, typer.Option(help=UNIT_HELP, metavar="UNIT")] = None,
    top: Annotated[int, typer.Option(help="How many patches a map gets.")] = 9,
    maps: Annotated[int, typer.Option(help=MAPS_HELP)] = 64,
    split: Annotated[str, typer.Option(help=SPLIT_HELP)] = "auto",
    out: Annotated[Path | None, typer.Option("-o", "--out", help=OUT_HELP, metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the patches as a JSON list.")] = False,
) -> None:
    """The patches of a data set that drive each map most, cut to exactly what its units see."""
    from hubel.report.instruments import patches as report

    if out is None and not as_json:
        raise UsageError("say where the image goes, such as -o patches.png; or ask for --json")
    if out is not None:
        image_form(out, ("png",))
    looked: Looked = context.obj
    model, subject = looked.opened()
    _, tops, cuts = driven(model, subject, (data, split), (layer or (), unit or (), maps), top)
    if out is not None:
        image = report.patches_figure(cuts, subject.volume, notes=notes(subject, tops, maps))
        write(out, image, silent=as_json)
    if as_json:
        print(report.as_json(cuts))


def driven(
    model: Model,
    subject: Subject,
    source: tuple[str, str],
    wanted: tuple[Sequence[str], Sequence[str], int],
    top: int,
) -> tuple[Images, tuple[Top, ...], dict[Unit, tuple[Patch, ...]]]:
    """The images of a set and its split, what drives the wanted layers most, and the wanted maps' patches.

    Wanted are layers, units, and how many maps of a layer at most.
    """
    from hubel.evaluation.splits import images_of
    from hubel.instruments.patches import cut, maps_of, stream, top_images
    from hubel.instruments.unit import Unit

    layers, names, most = wanted
    if most < 1:
        raise UsageError(f"--maps is at least 1, not {most}")
    named = tuple(Unit.parse(name, subject.steps) for name in names)
    for one in named:
        if one.channel is None or one.row is not None:
            raise UsageError(f"{one} is no map; write {one.path}[{one.channel or 0}]")
    for path in layers:
        subject.step(path)
    images = images_of(*source).images
    with progress("looking at images", len(images)) as done:
        batches = stream(images, model.preprocessing, progress=done)
        tops = top_images(subject, batches, (*layers, *(one.path for one in named)), top=top)
    whole = [found for found in tops if found.path in layers or not (layers or named)]
    units = tuple(dict.fromkeys((*maps_of(whole, most), *named)))
    cuts = cut(subject, tops, units, lambda index: images.fitted(index, model.preprocessing), images.name)
    return images, tops, cuts


def notes(subject: Subject, tops: Sequence[Top], most: int) -> dict[str, str]:
    """What to say of each layer: what its units see, and how many of its maps are shown."""
    from hubel.net.field import fields
    from hubel.report.instruments.patches import field_note

    known = fields(subject.steps)
    return {
        found.path: field_note(known[found.path], subject.volume)
        + (f"; {most} of {len(found.scores)} maps" if most < len(found.scores) else "")
        for found in tops
    }
