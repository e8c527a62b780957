"""`hubel look MODEL compare OTHER... DATA`: networks layer by layer, or maps through a run's epochs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.ablate import SPLIT_HELP, sample
from hubel.cli.look.looked import Looked, progress, write
from hubel.cli.output import image_form
from hubel.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.data.dataset import Images
    from hubel.instruments.compare import Likeness
    from hubel.model.file import Model

UNIT_HELP = (
    "Follow a map or all maps of a layer, such as conv1 or 'relu2[7]', through the states of a network: "
    "MODEL and the OTHERs in their order, a run's folder standing for the epochs it kept; give it again "
    "for more. "
    "Without, the networks are compared by CKA."
)
MAPS_HELP = "With --unit: the most maps of a layer, its first ones."
STATES_HELP = "With --unit: at most so many states, the early ones closer together, as networks change."
LAYER_HELP = "A layer to compare by CKA; give it again for more. Default: all activations and the scores."
_BATCH = 250


# Wide, since Typer takes every option as an argument.
def compare(
    context: typer.Context,
    others: Annotated[
        list[str],
        typer.Argument(
            help="Other models' files or runs' folders, then a folder of images or a set's name.",
            metavar="[OTHER]... DATA",
        ),
    ],
    *,
    unit: Annotated[list[str] | None, typer.Option(help=UNIT_HELP, metavar="UNIT")] = None,
    layer: Annotated[list[str] | None, typer.Option(help=LAYER_HELP, metavar="PATH")] = None,
    top: Annotated[int, typer.Option(help="With --unit: how many patches a map shows.")] = 1,
    maps: Annotated[int, typer.Option(help=MAPS_HELP)] = 12,
    states: Annotated[int, typer.Option(help=STATES_HELP)] = 8,
    images: Annotated[int, typer.Option(help="How many images to take, spread over the split.")] = 1000,
    split: Annotated[str, typer.Option(help=SPLIT_HELP)] = "auto",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The PNG to write.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Compare networks layer by layer, or see a map change over training."""
    if out is not None:
        image_form(out, ("png",))
    if maps < 1:
        raise UsageError(f"--maps is at least 1, not {maps}")
    if unit and layer:
        raise UsageError("--unit follows maps, --layer compares layers; give one of them")
    if unit and out is None and not as_json:
        raise UsageError("say where the image goes, such as -o ages.png; or ask for --json")
    looked: Looked = context.obj
    *files, data = others
    if unit:
        image, text = _over_time(
            _states([looked.text, *files], states), (data, split, images), (unit, maps), top
        )
    elif files:
        image, text = _alike([looked.text, *files], (data, split, images), layer or [], as_json=as_json)
    else:
        raise UsageError("say what to compare with: hubel look MODEL compare OTHER DATA")
    if as_json or not unit:
        print(text)
    if out is not None:
        write(out, image, silent=as_json)


def _states(files: list[str], most: int) -> list[tuple[str, Path]]:
    """The names and files of states in their order; a run's folder stands for the epochs it kept.

    Raises UsageError: a folder without kept epochs, or less than two states.
    """
    if most < 2:
        raise UsageError(f"--states is at least 2, not {most}")
    found: list[tuple[str, Path]] = []
    for file in files:
        if not Path(file).is_dir():
            found.append((Path(file).stem, Path(file)))
            continue
        kept = sorted(Path(file, "epochs").glob("*.safetensors"))
        if not kept:
            raise UsageError(
                f"{file} has no epochs/*.safetensors; train with --keep-epochs, or name the states' files"
            )
        found += [(f"epoch {int(each.stem)}" if each.stem.isdecimal() else each.stem, each) for each in kept]
    if len(found) < 2:
        raise UsageError("one state alone does not change; name another, or a run that kept its epochs")
    return [found[at] for at in _spread(len(found), most)]


def _spread(count: int, most: int) -> list[int]:
    """At most so many of `count` places, the first and last among them, ever further apart."""
    import numpy as np

    if count <= most:
        return list(range(count))
    steps = np.geomspace(1, count, most).round().astype(int) - 1
    for at in range(1, most):  # those that fall together move on
        steps[at] = max(steps[at], steps[at - 1] + 1)
    return [int(step) for step in steps]


def _over_time(
    states: list[tuple[str, Path]], source: tuple[str, str, int], wanted: tuple[list[str], int], top: int
) -> tuple[bytes, str]:
    """The maps' image and JSON."""
    from hubel.instruments.ages import State, over_time
    from hubel.instruments.deconv import fitting
    from hubel.instruments.subject import Subject
    from hubel.instruments.unit import Unit
    from hubel.model.file import load
    from hubel.report.instruments.ages import ages_as_json, ages_figure

    models = [load(file) for _, file in states]
    seen = [
        State(name, Subject.of(model.network), model.preprocessing)
        for (name, _), model in zip(states, models, strict=True)
    ]
    images = sample(models[-1], *source).images
    subject = seen[0].subject
    chosen = []
    for unit in (Unit.parse(each, subject.steps) for each in wanted[0]):
        depth = subject.step(unit.path).output.depth
        some = range(min(depth, wanted[1])) if unit.channel is None else (unit.channel,)
        chosen += [unit if unit.row is not None else Unit(unit.path, channel) for channel in some]
    rule = fitting(subject)
    with progress("looking at images", len(images) * len(models)) as done:
        found = over_time(seen, chosen, images, top=top, rule=rule, progress=done)
    names = [state.name for state in seen]
    return ages_figure(found, names, subject.volume, rule), ages_as_json(found, names)


def _alike(
    files: list[str], source: tuple[str, str, int], layers: list[str], *, as_json: bool
) -> tuple[bytes, str]:
    """The matrices' image, and their text or JSON."""
    from hubel.instruments.compare import likeness
    from hubel.instruments.patches import features
    from hubel.report.instruments.compare import likeness_as_json, likeness_as_text, likeness_figure

    opened = [Looked(file).opened() for file in files]
    models, subjects = [model for model, _ in opened], [subject for _, subject in opened]
    names = _names(files)
    images = sample(models[0], *source).images
    paths = [tuple(layers) or features(subject) for subject in subjects]
    found: list[Likeness] = []
    with progress("comparing", len(images) * (len(models) - 1)) as done:
        for at in range(1, len(models)):

            def count(extra: int, before: int = (at - 1) * len(images)) -> None:
                done(before + extra)

            batches = _pairs(models[0], models[at], images)
            layers_of = (paths[0], paths[at])
            found.append(likeness(subjects[0], subjects[at], batches, layers_of, progress=count))
    image = likeness_figure(found, names[0], names[1:])
    if as_json:
        return image, likeness_as_json(found, names[0], names[1:])
    said = [likeness_as_text(each, names[0], name) for each, name in zip(found, names[1:], strict=True)]
    return image, "\n".join(said)


def _pairs(first: Model, second: Model, images: Images) -> Iterator[tuple[Tensor, Tensor]]:
    """The same images as two models see them, in one order that has nothing to do with their classes."""
    import numpy as np

    from hubel.instruments.patches import stream

    order = np.random.default_rng(0).permutation(len(images)).astype(np.intp)
    mixed = images.select(order)
    both = (stream(mixed, model.preprocessing, batch=_BATCH) for model in (first, second))
    yield from zip(*both, strict=True)


def _names(files: list[str]) -> list[str]:
    """What to call models: by their files' stems, with the folder where these are the same."""
    stems = [Path(file).stem for file in files]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{Path(file).parent.name}/{Path(file).stem}" for file in files]
