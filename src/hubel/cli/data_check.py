"""`hubel data check`: everything that is wrong with a set of images."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.output import bar


def check(
    data: Annotated[str, typer.Argument(help="A folder of images, or a data set's name.", metavar="DATA")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Read every image of a set and list what is wrong; exit status 1 if there is an error."""
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    from hubel.report.data_check import check_json, check_text
    from hubel.report.units import count
    from hubel.tasks.data import data_check

    columns = TextColumn("reading images"), TextColumn("{task.description}"), TimeElapsedColumn()
    with bar(SpinnerColumn(), *columns) as shown:
        task = shown.add_task("")
        found = data_check(data, progress=lambda done: shown.update(task, description=count(done)))
    print(check_json(found) if as_json else check_text(found))
    if found.of_level("error"):
        raise typer.Exit(1)
