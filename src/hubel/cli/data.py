"""`hubel data VERB ...`: sets of images, before any network is trained on them."""

from __future__ import annotations

import typer

from hubel.cli.loading import LazyGroup, Verb

VERBS = {
    "check": Verb(
        "hubel.cli.data_check",
        "check",
        "Read every image of a set and list what is wrong; exit status 1 if there is an error.",
    ),
    "preview": Verb(
        "hubel.cli.data_preview",
        "preview",
        "Draw images of each class beside what the network sees of them, plain and twice augmented.",
    ),
    "fetch": Verb(
        "hubel.cli.data_fetch",
        "fetch",
        "Download a data set, checked by SHA-256; a partial download is resumed.",
    ),
}


class DataGroup(LazyGroup):
    """What can be done with a data set."""

    verbs = VERBS


data = typer.Typer(cls=DataGroup, help="Data sets: download, check, preview.", no_args_is_help=True)


@data.callback()
def images() -> None:
    """Data sets: download, check, preview."""
