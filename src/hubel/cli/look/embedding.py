"""`hubel look MODEL embedding DATA`: images as the network arranges them, and an image's neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.look.looked import Looked, progress, seen, write
from hubel.cli.look.patches import SPLIT_HELP
from hubel.cli.output import image_form
from hubel.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.data.feed.decoded import Decoded
    from hubel.instruments.embedding import Floats, Neighbours
    from hubel.instruments.subject import Subject
    from hubel.model.file import Model

_IMAGES_HELP = "How many images to take, evenly spread over the set."
_NEAR_HELP = "Draw the images most like this image instead of the plane."
_METHOD_HELP = "tsne; or umap, which needs umap-learn."


# Wide, since Typer takes every option as an argument.
def embedding(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="A folder of images, or a set's name.", metavar="DATA")],
    *,
    images: Annotated[int, typer.Option(help=_IMAGES_HELP)] = 1000,
    near: Annotated[str | None, typer.Option(help=_NEAR_HELP, metavar="IMAGE")] = None,
    top: Annotated[int, typer.Option(help="Of --near: how many neighbours.")] = 10,
    method: Annotated[str, typer.Option(help=_METHOD_HELP)] = "tsne",
    seed: Annotated[int, typer.Option(help="Draws where the plane begins.")] = 0,
    split: Annotated[str, typer.Option(help=SPLIT_HELP)] = "auto",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The PNG to write.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print places or neighbours as JSON.")] = False,
) -> None:
    """Lay out images by the features the network names them by, or find those most like one."""
    if out is None and not as_json:
        raise UsageError("say where the image goes, such as -o plane.png; or ask for --json")
    if out is not None:
        image_form(out, ("png",))
    if images < 1:
        raise UsageError(f"--images is at least 1, not {images}")

    from hubel.instruments.embedding import place
    from hubel.report.instruments import embedding as report

    looked: Looked = context.obj
    model, subject = looked.opened()
    taken, classes, values = _looked_at(model, subject, (data, split), images)
    if near is not None:
        found = _nearest(model, subject, near, (taken, values), top)
        query = model.preprocessing.read(Path(near))
        names = [classes[taken.labels[at]] for at in found.places]
        shown = taken.pixels[found.places]
        image = report.strip_figure(query, shown, found, names, title=Path(near).name)
        said = report.near_json(found, taken.names, taken.labels, classes)
    else:
        points = place(values, method, seed=seed)
        name = {"tsne": "t-SNE", "umap": "UMAP"}[method]
        title = f"{len(points):,} images by {values.shape[1]:,} features, {name}"
        image = report.map_figure(points, taken.pixels, taken.labels, classes, title=title)
        said = report.map_json(points, taken.names, taken.labels, classes)
    if out is not None:
        write(out, image, silent=as_json)
    if as_json:
        print(said)


def _nearest(
    model: Model, subject: Subject, near: str, among: tuple[Decoded, Floats], top: int
) -> Neighbours:
    """The images most like an image file, which is not its own neighbour where the set has it."""
    import numpy as np

    from hubel.instruments.embedding import features, neighbours

    taken, values = among
    itself = Path(near).resolve()
    others = np.array([at for at, name in enumerate(taken.names) if Path(name).resolve() != itself], np.int64)
    found = neighbours(values[others], features(subject, [seen(model, [near])])[0], top)
    return replace(found, places=others[found.places])


def _looked_at(
    model: Model, subject: Subject, source: tuple[str, str], most: int
) -> tuple[Decoded, tuple[str, ...], Floats]:
    """Images of a set and its split, the set's classes, and the images' features."""
    import torch

    from hubel.data.feed.decoded import decode
    from hubel.evaluation.splits import images_of
    from hubel.instruments.embedding import evenly, features
    from hubel.instruments.patches import BATCH

    found = images_of(*source)
    some = evenly(len(found.images), most)
    taken = decode(found.images.select(some), model.preprocessing)
    with progress("looking at images", len(taken)) as done:

        def batches() -> Iterator[Tensor]:
            for start in range(0, len(taken), BATCH):
                yield model.preprocessing.normalise(torch.from_numpy(taken.pixels[start : start + BATCH]))
                done(min(start + BATCH, len(taken)))

        values = features(subject, batches())
    return taken, found.classes, values
