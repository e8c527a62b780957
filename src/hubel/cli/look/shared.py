"""What all instruments' commands share: common options, the model, progress and output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from hubel.cli.network import announce_code_of
from hubel.cli.output import bar
from hubel.errors import UsageError
from hubel.report.form import FORMS, image_form

if TYPE_CHECKING:
    from hubel.tasks.look.eye import Eye
    from hubel.tasks.look.finding import Finding
    from hubel.tasks.look.images import Progress

OUTPUT = "Output"
"""The panel of the options that say where results go."""

PNG = ("png",)

DATA_HELP = "A folder of images, or a set's name."
SPLIT_HELP = "train, val, test, or auto: test if the set has it, else val, else all images."
TRAINED_SPLIT_HELP = (
    "train, val, test, or auto: test if the set has it, else val, else the images held out when MODEL was "
    "trained on the set, else all."
)
IMAGES_HELP = "How many images to use, evenly spread over the split."

Data: TypeAlias = Annotated[str, typer.Argument(help=DATA_HELP, metavar="DATA")]
Image: TypeAlias = Annotated[str, typer.Argument(help="An image file.", metavar="IMAGE")]
Images: TypeAlias = Annotated[int, typer.Option(help=IMAGES_HELP)]
Split: TypeAlias = Annotated[str, typer.Option(help=SPLIT_HELP)]
TrainedSplit: TypeAlias = Annotated[str, typer.Option(help=TRAINED_SPLIT_HELP)]
OutPng: TypeAlias = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="The PNG file to write.", metavar="FILE", rich_help_panel=OUTPUT),
]
OutImage: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", help="The .svg, .png or .pdf file to write.", metavar="FILE", rich_help_panel=OUTPUT
    ),
]
AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print the numbers as JSON.", rich_help_panel=OUTPUT)
]


def eye_on(context: typer.Context) -> Eye:
    """Opens the model that was named before the instrument. Raises ModelError: it cannot be read."""
    from hubel.tasks.look.eye import look

    model, allow_code, force = context.obj
    if allow_code:
        announce_code_of(model)
    return look(model, allow_code=allow_code, force=force)


def check_out(out: Path | None, forms: tuple[str, ...] = FORMS, *, needed: bool = False) -> None:
    """Checks the path for an image before any work is done.

    Raises UsageError: no path where one is `needed`, a form not in `forms`, or no folder to write to.
    """
    if out is not None:
        image_form(out, forms)
    elif needed:
        raise UsageError("name a file for the image, such as -o image.png; or ask for numbers with --json")


def show(found: Finding, out: Path | None, *, as_json: bool, text: bool = True) -> None:
    """Prints what was found, as JSON or, with `text`, as text where there is one; and writes its image."""
    if as_json:
        print(found.json())
    elif text and (words := found.text()):
        print(words)
    if out is not None:
        found.save(out)
        if not as_json:
            print(f"wrote {out}")


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on standard error, if that is a terminal; call it as `Progress` says."""
    with bar() as shown:
        task = shown.add_task("", total=None)
        yield lambda what, done, total: shown.update(task, description=what, completed=done, total=total)
