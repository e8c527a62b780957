"""`hubel look MODEL embedding DATA`: images as the network arranges them, and an image's neighbours."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.look.shared import (
    PNG,
    AsJson,
    Data,
    Images,
    OutPng,
    Split,
    check_out,
    eye_on,
    progress,
    show,
)

_NEAR_HELP = "Draw the images most similar to this image, instead of the plane."


def embedding(
    context: typer.Context,
    data: Data,
    *,
    images: Images = 1000,
    near: Annotated[str | None, typer.Option(help=_NEAR_HELP, metavar="IMAGE")] = None,
    top: Annotated[int, typer.Option(help="With --near: how many neighbours.")] = 10,
    method: Annotated[str, typer.Option(help="tsne; or umap, which needs umap-learn.")] = "tsne",
    seed: Annotated[int, typer.Option(help="Random seed of the layout.")] = 0,
    split: Split = "auto",
    out: OutPng = None,
    as_json: AsJson = False,
) -> None:
    """Lay out images by their features before the last layer, or find those most similar to one."""
    check_out(out, PNG, needed=not as_json)
    eye = eye_on(context)
    with progress() as shown:
        found = eye.embedding(
            data, images=images, near=near, top=top, method=method, seed=seed, split=split, progress=shown
        )
    show(found, out, as_json=as_json)
