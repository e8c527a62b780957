"""`hubel look MODEL patches DATA`: the patches of a data set that drive each map most."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.looked import Looked, progress, write
from hubel.cli.output import picture_form
from hubel.errors import DataError, UsageError

if TYPE_CHECKING:
    from hubel.data import Pictures
    from hubel.look import Subject, Unit
    from hubel.look.patches import Patch, Top
    from hubel.ship import Model

LAYER_HELP = (
    "A layer by its path, all its maps; give it again for more. Default: all activations and the scores."
)
UNIT_HELP = "A map, such as 'relu2[7]'; give it again for more."
SPLIT_HELP = "train, val, test; or auto: test where the data has it, else val, else all."
MAPS_HELP = "The most maps to take of each layer, its first ones."
OUT_HELP = "The PNG to write."


def patches(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="A folder of pictures, or a set's name.", metavar="DATA")],
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
    from hubel.report.look.patches import patches_figure

    if out is None and not as_json:
        raise UsageError("say where the picture goes, such as -o patches.png; or ask for --json")
    if out is not None:
        picture_form(out, ("png",))
    looked: Looked = context.obj
    model, subject = looked.model(), looked.subject()
    tops, units = driven(model, subject, (data, split), (layer or (), unit or (), maps), top)
    cuts = cut_from(model, subject, tops, units, pictures_of(data, split))
    if out is not None:
        picture = patches_figure(cuts, subject.volume, notes=notes(subject, tops, maps))
        write(out, picture, silent=as_json)
    if as_json:
        print(json.dumps(_as_json(cuts), indent=2, ensure_ascii=False))


def pictures_of(data: str, split: str) -> Pictures:
    """The pictures of a set's split; `auto` takes test, else val, else all.

    Raises DataError: no such set or split. Raises UsageError: a split that no set has.
    """
    from hubel.data import open_data
    from hubel.errors import nearest
    from hubel.train.measure import SPLITS

    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}{nearest(split, SPLITS)}; choose {', '.join(SPLITS)}")
    found = open_data(data, val=0)
    there = {"test": found.test, "val": found.val, "train": found.train}
    if split == "auto":
        return next(pictures for pictures in there.values() if pictures is not None)
    chosen = there[split]
    if chosen is None:
        known = ", ".join(name for name, pictures in there.items() if pictures is not None)
        raise DataError(f"{found.name} has no {split} split; it has {known}")
    return chosen


def driven(
    model: Model,
    subject: Subject,
    source: tuple[str, str],
    wanted: tuple[Sequence[str], Sequence[str], int],
    top: int,
) -> tuple[tuple[Top, ...], tuple[Unit, ...]]:
    """What drives the wanted maps most, and the maps: of a set and its split; layers, units, most a layer."""
    from hubel.look import Unit
    from hubel.look.patches import maps_of, stream, top_pictures

    layers, names, most = wanted
    if most < 1:
        raise UsageError(f"--maps is at least 1, not {most}")
    named = tuple(Unit.parse(name, subject.steps) for name in names)
    for one in named:
        if one.channel is None or one.row is not None:
            raise UsageError(f"{one} is no map; write {one.path}[{one.channel or 0}]")
    for path in layers:
        subject.step(path)
    pictures = pictures_of(*source)
    with progress("looking at pictures", len(pictures)) as done:
        batches = stream(pictures, model.preprocessing, progress=done)
        tops = top_pictures(subject, batches, (*layers, *(one.path for one in named)), top=top)
    whole = [found for found in tops if found.path in layers or not (layers or named)]
    return tops, tuple(dict.fromkeys((*maps_of(whole, most), *named)))


def cut_from(
    model: Model, subject: Subject, tops: Sequence[Top], units: Sequence[Unit], pictures: Pictures
) -> dict[Unit, tuple[Patch, ...]]:
    """The patches of these maps, from the pictures they were found in."""
    from hubel.look.patches import cut

    return cut(
        subject,
        tops,
        units,
        lambda index: pictures.fitted(index, model.preprocessing),
        pictures.name,
    )


def notes(subject: Subject, tops: Sequence[Top], most: int) -> dict[str, str]:
    """What to say of each layer: what its units see, and how many of its maps are shown."""
    from hubel.net.field import fields
    from hubel.report.look.patches import field_note

    known = fields(subject.steps)
    return {
        found.path: field_note(known[found.path], subject.volume)
        + (f"; {most} of {len(found.scores)} maps" if most < len(found.scores) else "")
        for found in tops
    }


def _as_json(cuts: Mapping[Unit, Sequence[Patch]]) -> list[dict[str, object]]:
    return [
        {
            "unit": str(unit),
            "patches": [
                {
                    "file": patch.name,
                    "row": patch.unit.row,
                    "column": patch.unit.column,
                    "score": patch.score,
                    "box": asdict(patch.box),
                    "seen": asdict(patch.seen),
                }
                for patch in found
            ],
        }
        for unit, found in cuts.items()
    ]
