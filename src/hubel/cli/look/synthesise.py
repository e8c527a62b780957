"""`hubel look MODEL synthesise UNIT...`: images made to excite units, maps or classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.looked import Looked, write
from hubel.cli.output import bar, image_form
from hubel.errors import UsageError, nearest

if TYPE_CHECKING:
    from hubel.instruments.subject import Subject
    from hubel.instruments.synthesise import Climb, Floats
    from hubel.instruments.unit import Unit
    from hubel.model.file import Model

_UNITS_HELP = "Maps such as 'conv2[3]', units such as 'conv2[3,5,7]', or a layer for its first maps."
_COLOURS_HELP = "A folder of images, or a set's name, for the colours to keep to. Default: ImageNet's."


def synthesise(
    context: typer.Context,
    units: Annotated[list[str] | None, typer.Argument(help=_UNITS_HELP, metavar="[UNIT]...")] = None,
    *,
    label: Annotated[
        list[str] | None, typer.Option("--class", help="A class by its name, or all.", metavar="NAME")
    ] = None,
    steps: Annotated[int, typer.Option(help="How many steps to climb.")] = 256,
    seed: Annotated[int, typer.Option(help="Draws the first image and how it is shaken.")] = 0,
    maps: Annotated[int, typer.Option(help="How many maps a layer shows.")] = 16,
    colours: Annotated[str | None, typer.Option(help=_COLOURS_HELP, metavar="DATA")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The PNG to write.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the activations of all steps.")] = False,
) -> None:
    """Make images that excite units, maps or classes, by climbing their activation."""
    if out is None and not as_json:
        raise UsageError("say where the image goes, such as -o unit.png; or ask for --json")
    if out is not None:
        image_form(out, ("png",))
    if maps < 1:
        raise UsageError(f"--maps is at least 1, not {maps}")

    from hubel.instruments import synthesise as instrument
    from hubel.instruments.patches import seen_by
    from hubel.report.instruments import synthesise as report

    looked: Looked = context.obj
    model, subject = looked.opened()
    names = _named(subject, model, label or [])
    chosen = list(dict.fromkeys((*_chosen(subject, units or [], maps), *names)))
    if not chosen:
        raise UsageError("say what to excite: a unit such as 'conv2[3]', a layer, or --class NAME")
    root = None if colours is None else _colours_of(model, colours)
    with climbing(steps) as shown:
        found = instrument.synthesise(
            subject, chosen, model.preprocessing, steps=steps, seed=seed, colours=root, progress=shown
        )
    if out is not None:
        boxes = {unit: seen_by(subject, unit) for unit in chosen if unit.row is not None}
        write(out, report.synthesis_figure(found, names=names, boxes=boxes), silent=as_json)
    if as_json:
        print(report.as_json(found))


@contextmanager
def climbing(steps: int) -> Iterator[Callable[[Climb], None]]:
    """A bar on standard error, where that is a terminal; call it with each step."""
    with bar() as shown:
        task = shown.add_task("climbing", total=steps)
        yield lambda climb: shown.update(
            task, completed=climb.step, description=f"climbing, at {float(climb.activations.mean()):.3g}"
        )


def class_of(model: Model, name: str) -> int:
    """A class's number by its name. Raises UsageError: the model knows no such class."""
    if name not in model.classes:
        raise UsageError(f"the model knows no class {name!r}{nearest(name, model.classes)}")
    return model.classes.index(name)


def _chosen(subject: Subject, texts: list[str], maps: int) -> Iterator[Unit]:
    """The units of these names; of a layer its first maps."""
    from hubel.instruments.unit import Unit

    for text in texts:
        unit = Unit.parse(text, subject.steps)
        if unit.channel is not None:
            yield unit
        else:
            depth = subject.step(unit.path).output.depth
            yield from (Unit(unit.path, channel) for channel in range(min(maps, depth)))


def _named(subject: Subject, model: Model, names: list[str]) -> dict[Unit, str]:
    """The units of these classes, with their names."""
    from hubel.instruments.synthesise import class_unit

    every = model.classes if names == ["all"] and "all" not in model.classes else names
    return {class_unit(subject, class_of(model, name)): name for name in every}


def _colours_of(model: Model, data: str) -> Floats:
    """The colours of a set's images, of a hundred of them."""
    import numpy as np

    from hubel.evaluation.splits import images_of
    from hubel.instruments.embedding import evenly
    from hubel.instruments.synthesise import colour_root

    images = images_of(data).images
    some = [images.fitted(int(at), model.preprocessing) for at in evenly(len(images), 100)]
    return colour_root(np.stack(some))
