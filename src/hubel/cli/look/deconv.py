"""`hubel look MODEL deconv IMAGE_OR_DATA`: units projected back to pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.looked import Looked, seen, write
from hubel.cli.look.patches import OUT_HELP, SPLIT_HELP, driven, notes
from hubel.cli.output import image_form
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.instruments.subject import Subject
    from hubel.model.file import Model

_SOURCE_HELP = "An image file; or a folder of images or a set's name, for the patches that drive each map."
_UNIT_HELP = (
    "A map such as 'relu2[7]' (of an image: its strongest unit), or of an image a unit 'relu2[7,3,5]'."
)
_LAYER_HELP = "A layer by its path: of an image its strongest maps, of a set its first ones."
_RULE_HELP = (
    "Of a set: deconv, guided or gradient. Default: deconv; of a network without max pooling, where it does "
    "not depend on the image, guided. Of an image all three are drawn."
)


def deconv(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help=_SOURCE_HELP, metavar="IMAGE|DATA")],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help=OUT_HELP, metavar="FILE")],
    unit: Annotated[list[str] | None, typer.Option(help=_UNIT_HELP, metavar="UNIT")] = None,
    layer: Annotated[list[str] | None, typer.Option(help=_LAYER_HELP, metavar="PATH")] = None,
    rule: Annotated[str | None, typer.Option(help=_RULE_HELP)] = None,
    top: Annotated[int, typer.Option(help="Of a set: how many patches a map gets.")] = 9,
    maps: Annotated[int, typer.Option(help="How many maps a layer shows.")] = 12,
    split: Annotated[str, typer.Option(help=f"Of a set: {SPLIT_HELP}")] = "auto",
) -> None:
    """Project units back to pixels: of one image by three rules, or beside the patches that drive them."""
    image_form(out, ("png",))
    if maps < 1:
        raise UsageError(f"--maps is at least 1, not {maps}")
    looked: Looked = context.obj
    model, subject = looked.opened()
    wanted = (layer or [], unit or [], maps)
    if Path(source).is_file():
        if rule is not None:
            raise UsageError("--rule is for a data set; of an image all three rules are drawn")
        image = _of_image(model, subject, source, wanted)
    else:
        image = _of_data(model, subject, (source, split), wanted, top=top, rule=rule)
    write(out, image, silent=False)


def _of_image(model: Model, subject: Subject, image: str, wanted: tuple[list[str], list[str], int]) -> bytes:
    """Units of one image, a row each: the image with what the unit sees, and its projections."""
    from hubel.instruments.deconv import RULES, fitting, project
    from hubel.instruments.patches import seen_by
    from hubel.instruments.unit import Unit
    from hubel.report.instruments.deconv import projections_figure

    layers, names, maps = wanted
    images = seen(model, [image])
    units = [Unit.parse(name, subject.steps) for name in names]
    if not (layers or units):
        layers = [subject.last.path]
    values = subject.values(images, layers)
    for path in layers:
        strongest = values[path][0].amax((1, 2)).argsort(descending=True, stable=True)[:maps]
        units += [Unit(path, channel) for channel in strongest.tolist()]
    rows = []
    for each in units:
        found = [project(subject, images, each, rule) for rule in RULES]
        rows.append((seen_by(subject, found[0].units[0]), found))
    switches = fitting(subject) == "deconv"
    return projections_figure(model.preprocessing.read(Path(image)), rows, switches=switches)


def _of_data(
    model: Model,
    subject: Subject,
    source: tuple[str, str],
    wanted: tuple[list[str], list[str], int],
    *,
    top: int,
    rule: str | None,
) -> bytes:
    """The patches that drive each map most, beside their projections, layer by layer."""
    from hubel.instruments.deconv import checked, fitting, project_cuts
    from hubel.report.instruments.patches import patches_figure

    chosen = fitting(subject) if rule is None else checked(rule)
    images, tops, cuts = driven(model, subject, source, wanted, top)
    projections = project_cuts(
        subject,
        cuts,
        model.preprocessing,
        lambda index: images.fitted(index, model.preprocessing),
        chosen,
    )
    said = {path: f"{note}; {chosen}" for path, note in notes(subject, tops, wanted[2]).items()}
    return patches_figure(cuts, subject.volume, notes=said, projections=projections)
