"""`hubel look MODEL attribution IMAGE`: which parts of an image the answer rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.looked import Looked, progress, seen, write
from hubel.cli.output import image_form
from hubel.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.instruments.attribution import Attribution, Occlusion, Randomised
    from hubel.instruments.subject import Subject
    from hubel.model.file import Model

_METHOD_HELP = "gradcam, integrated, occlusion or gradient."
_CLASS_HELP = "The class to look for. Default: the most probable one."
_LAYER_HELP = "Of gradcam: the layer. Default: the last one with several places, before pooling."
_SQUARE_HELP = (
    "Of occlusion: the square's side in pixels of the network's input. Default: a fifth of its side."
)
_SANITY_HELP = "Draw the weights anew from the top layer down and print how alike the maps stay."


def attribution(
    context: typer.Context,
    image: Annotated[str, typer.Argument(help="An image file.", metavar="IMAGE")],
    *,
    method: Annotated[str, typer.Option(help=_METHOD_HELP)] = "gradcam",
    label: Annotated[str | None, typer.Option("--class", help=_CLASS_HELP, metavar="NAME")] = None,
    layer: Annotated[str | None, typer.Option(help=_LAYER_HELP, metavar="PATH")] = None,
    square: Annotated[int | None, typer.Option(help=_SQUARE_HELP)] = None,
    sanity: Annotated[bool, typer.Option("--sanity", help=_SANITY_HELP)] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The image: a .svg, .png or .pdf file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the map as JSON.")] = False,
) -> None:
    """Draw over an image which parts of it speak for a class."""
    if out is None and not (as_json or sanity):
        raise UsageError("say where the image goes, such as -o map.png; or ask for --json or --sanity")
    form = "" if out is None else image_form(out)

    from hubel.cli.look.synthesise import class_of
    from hubel.instruments.attribution import checked, class_scores
    from hubel.report.instruments import attribution as report

    looked: Looked = context.obj
    model, subject = looked.opened()
    chosen = checked(method)
    pixels = model.preprocessing.read(Path(image))
    shown = seen(model, [image])[0]
    number = int(class_scores(subject, shown[None]).argmax()) if label is None else class_of(model, label)
    found, squares = _attributed(model, subject, shown, number, method=chosen, layer=layer, square=square)
    checks = _checks(model, subject, shown, found, square) if sanity else []
    if out is not None:
        if squares is None:
            content = report.image(pixels, found, model.classes, form)
        else:
            content = report.occlusion_image(pixels, squares, number, model.classes, form)
        write(out, content, silent=as_json)
    if as_json:
        print(report.as_json(found, model.classes, squares, checks))
    elif checks:
        print(report.checks_text(checks))


def _attributed(
    model: Model,
    subject: Subject,
    shown: Tensor,
    label: int,
    *,
    method: str,
    layer: str | None,
    square: int | None,
) -> tuple[Attribution, Occlusion | None]:
    """The attribution; of occlusion with what it is made from. Integrated gradients begin at black."""
    from hubel.instruments.attribution import attribute, checked, occlude, of_occlusion

    if method == "occlusion" and layer is None:
        with progress("sliding a square", 100) as done:
            squares = occlude(
                subject, shown, square=square, progress=lambda at, places: done(100 * at // places)
            )
        return of_occlusion(squares, label, subject.volume.plane), squares
    baseline = _black(model) if method == "integrated" else None
    known = checked(method)
    return attribute(subject, shown, label, known, layer=layer, square=square, baseline=baseline), None


def _black(model: Model) -> Tensor:
    """A black image as the network sees it."""
    import torch

    made = model.preprocessing
    black = torch.zeros(1, made.height, made.width, made.depth, dtype=torch.uint8)
    return made.normalise(black)[0]


def _checks(
    model: Model, subject: Subject, shown: Tensor, found: Attribution, square: int | None
) -> list[Randomised]:
    """How alike the maps of ever more random networks are to this one."""
    from hubel.instruments.attribution import cascade

    def look(other: Subject) -> Attribution:
        return _attributed(
            model,
            other,
            shown,
            found.label,
            method=found.method,
            layer=found.layer or None,
            square=square,
        )[0]

    return list(cascade(subject, look))
