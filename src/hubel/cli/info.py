"""`hubel info`: what a model's file says of itself."""

from __future__ import annotations

from typing import Annotated

import typer


def info(
    model: Annotated[
        str, typer.Argument(help="A model's file, a run's folder, or an exported file.", metavar="MODEL")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Print what a model's file says of itself; nothing in it is executed."""
    from hubel.report import info as report
    from hubel.tasks import info as task

    found = task.info(model)
    print(report.as_json(found) if as_json else report.as_text(found))
