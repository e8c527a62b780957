"""`hubel data fetch`: a well-known set of images, downloaded and checked."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.output import bar


def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="mnist, fashion-mnist, cifar10, cifar100, imagenette, or imagenette-160.", metavar="NAME"
        ),
    ],
    to: Annotated[
        Path | None, typer.Option(help="The folder to put the set's folder into. Default: the cache.")
    ] = None,
) -> None:
    """Download a data set, checked by SHA-256; a partial download is resumed."""
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn

    from hubel.tasks.data import data_fetch

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with bar(*columns) as shown:
        tasks: dict[str, TaskID] = {}

        def show(file: str, done: int, size: int) -> None:
            if file not in tasks:
                tasks[file] = shown.add_task(file, total=size)
            shown.update(tasks[file], completed=done)

        folder = data_fetch(name, to=to, progress=show)
    print(f"{name} is in {folder}\nuse it:  hubel train {name if to is None else shlex.quote(str(folder))}")
