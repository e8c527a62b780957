"""`hubel predict`: the most probable classes of image files."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubel.cli.network import CODE_HELP, ENGINE_HELP, FORCE_HELP, MODEL_HELP, announce_code_of
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.model.prediction import Prediction
    from hubel.tasks.predict_file import Progress


def predict(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
    images: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders with their subfolders, patterns, @LIST, .tar shards, or - for paths "
            "from standard input.",
            metavar="IMAGES...",
        ),
    ],
    *,
    top: Annotated[
        int | None,
        typer.Option(help="The number of classes to print per image. Default: 5, or 1 with --csv."),
    ] = None,
    engine: Annotated[str, typer.Option(help=ENGINE_HELP)] = "auto",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a .csv or .jsonl, for any number of images.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the file of --out where a stopped command left it.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            help="With --out, predict on a Ray cluster: its address, or auto, or local.", metavar="ADDRESS"
        ),
    ] = None,
    allow_code: Annotated[bool, typer.Option("--allow-code", help=CODE_HELP)] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a table for a spreadsheet: file, class, probability, error.")
    ] = False,
) -> None:
    """Classify images, the most probable class first; exit status 1 if any cannot be read."""
    from hubel.report import prediction as report
    from hubel.tasks import predict as task

    if as_csv and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    if allow_code:
        announce_code_of(model)
    _check(as_json=as_json, as_csv=as_csv, resume=resume, ray=ray, out=out)
    options: dict[str, Any] = {"engine": engine, "allow_code": allow_code, "force": force}
    if out is not None:
        _to_file(model, images, out, top=top, resume=resume, ray=ray, **options)
        return
    as_lines = report.csv_lines if as_csv else report.text_lines

    def show(each: Prediction) -> None:
        for line in () if as_json else as_lines(each):
            print(line)

    if as_csv:
        top = 1 if top is None else top
        print(report.CSV_HEADER)
    found = task.predict(model, images, top=top, on_prediction=show, **options)
    if as_json:
        print(report.as_json(found))
    if any(each.error for each in found):
        raise typer.Exit(1)


def _check(*, as_json: bool, as_csv: bool, resume: bool, ray: str | None, out: Path | None) -> None:
    """Raises UsageError: options that exclude each other, or need one another."""
    if as_json + as_csv + (out is not None) > 1:
        raise UsageError("use one of --json, --csv and --out")
    if resume and out is None:
        raise UsageError("--resume continues a file of predictions: name it with --out")
    if ray and out is None:
        raise UsageError("--ray predicts into a file: name it with --out")


def _to_file(model: str, images: list[str], out: Path, **options: Any) -> None:
    """Predicts into a file, with a line of progress. Raises Exit: an image could not be read.

    A command that is stopped, by Ctrl-C or SIGTERM, says how to continue.
    """
    from hubel.report.prediction import progress_text
    from hubel.tasks import predict as task

    def show(progress: Progress) -> None:
        if sys.stderr.isatty():
            text = progress_text(progress.done, progress.total, progress.per_second, progress.left)
            print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)

    try:
        found = task.predict(model, images, out=out, progress=show, **options)
    except KeyboardInterrupt:
        print("\nstopped; the same command with --resume continues", file=sys.stderr)
        raise
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    before = f", {found.done:,} before" if found.done else ""
    print(f"{found.path}: {found.images:,} images, {found.per_second:.1f} images/s{before}")
    if found.errors:
        raise typer.Exit(1)
