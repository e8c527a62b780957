"""`hubel look MODEL compare OTHER... DATA`: networks layer by layer, or a map over training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.ablate import SPLIT_HELP, progress, sample
from hubel.cli.look.looked import Looked
from hubel.cli.output import picture_form
from hubel.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.data import Pictures
    from hubel.look import Subject
    from hubel.look.compare import Likeness
    from hubel.ship import Model

UNIT_HELP = (
    "Follow a map or all maps of a layer through MODEL and the OTHERs, checkpoints of one network in their "
    "order, such as conv1 or 'relu2[7]'; give it again for more. Without, the networks are compared by CKA."
)
LAYER_HELP = "A layer to compare by CKA; give it again for more. Default: all activations and the scores."
_BATCH = 250


def compare(
    context: typer.Context,
    others: Annotated[
        list[str],
        typer.Argument(
            help="Other models' files, then a folder of pictures or a set's name.", metavar="OTHER... DATA"
        ),
    ],
    *,
    unit: Annotated[list[str] | None, typer.Option(help=UNIT_HELP, metavar="UNIT")] = None,
    layer: Annotated[list[str] | None, typer.Option(help=LAYER_HELP, metavar="PATH")] = None,
    top: Annotated[int, typer.Option(help="With --unit: how many patches a map shows.")] = 1,
    images: Annotated[int, typer.Option(help="How many pictures to take, spread over the split.")] = 1000,
    split: Annotated[str, typer.Option(help=SPLIT_HELP)] = "auto",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The PNG to write.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Compare networks layer by layer, or see a map change over training."""
    from hubel.files import write_whole
    from hubel.look import Subject
    from hubel.ship import load

    if out is not None:
        picture_form(out, ("png",))
    *files, data = others
    if not files:
        raise UsageError("say what to compare with: hubel look MODEL compare OTHER DATA")
    if unit and layer:
        raise UsageError("--unit follows maps, --layer compares layers; give one of them")
    if unit and out is None and not as_json:
        raise UsageError("say where the picture goes, such as -o ages.png; or ask for --json")
    looked: Looked = context.obj
    models = [looked.model(), *(load(Path(file)) for file in files)]
    names = _names([looked.text, *files])
    subjects = [Subject.of(model.network) for model in models]
    pictures = sample(models[0], data, split, images)[1]
    if unit:
        picture, text = _over_time(models, subjects, names, pictures, unit, top=top)
    else:
        picture, text = _alike(models, subjects, names, pictures, layer or [], as_json=as_json)
    if out is not None:
        write_whole(out, picture)
    if as_json or not unit:
        print(text)


def _over_time(
    models: list[Model],
    subjects: list[Subject],
    names: list[str],
    pictures: Pictures,
    units: list[str],
    *,
    top: int,
) -> tuple[bytes, str]:
    """The maps' picture and JSON."""
    from hubel.look import Unit
    from hubel.look.compare import over_time
    from hubel.look.patches import stream
    from hubel.report.look.compare import ages_as_json, ages_figure

    chosen = [Unit.parse(each, subjects[0].steps) for each in units]
    with progress("looking at pictures", len(pictures) * len(models)) as done:
        found = over_time(
            subjects,
            chosen,
            lambda at: stream(
                pictures,
                models[at].preprocessing,
                progress=lambda count: done(at * len(pictures) + count),
            ),
            lambda at, index: models[at].preprocessing.pixels(pictures.image(index)),
            pictures.name,
            top=top,
        )
    return ages_figure(found, names, subjects[0].volume), ages_as_json(found, names)


def _alike(
    models: list[Model],
    subjects: list[Subject],
    names: list[str],
    pictures: Pictures,
    layers: list[str],
    *,
    as_json: bool,
) -> tuple[bytes, str]:
    """The matrices' picture, and their text or JSON."""
    from hubel.look.compare import likeness
    from hubel.look.patches import features
    from hubel.report.look.compare import likeness_as_json, likeness_as_text, likeness_figure

    paths = [tuple(layers) or features(subject) for subject in subjects]
    found: list[Likeness] = []
    with progress("comparing", len(pictures) * (len(models) - 1)) as done:
        for at in range(1, len(models)):

            def count(images: int, before: int = (at - 1) * len(pictures)) -> None:
                done(before + images)

            batches = _pairs(models[0], models[at], pictures)
            layers_of = (paths[0], paths[at])
            found.append(likeness(subjects[0], subjects[at], batches, layers_of, progress=count))
    picture = likeness_figure(found, names[0], names[1:])
    if as_json:
        return picture, likeness_as_json(found, names[0], names[1:])
    said = [likeness_as_text(each, names[0], name) for each, name in zip(found, names[1:], strict=True)]
    return picture, "\n".join(said)


def _pairs(first: Model, second: Model, pictures: Pictures) -> Iterator[tuple[Tensor, Tensor]]:
    """The same pictures as two models see them, in one order that has nothing to do with their classes."""
    import numpy as np

    from hubel.look.patches import stream

    order = np.random.default_rng(0).permutation(len(pictures)).astype(np.intp)
    mixed = pictures.select(order)
    both = (stream(mixed, model.preprocessing, batch=_BATCH) for model in (first, second))
    yield from zip(*both, strict=True)


def _names(files: list[str]) -> list[str]:
    """What to call models: by their files' stems, with the folder where these are the same."""
    stems = [Path(file).stem for file in files]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{Path(file).parent.name}/{Path(file).stem}" for file in files]
