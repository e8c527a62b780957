"""The command line: one file a verb, each of which parses, calls and prints."""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
import warnings
from typing import Annotated

import typer

from hubel.cli import compare, diff, draw, import_weights, predict, table, train, val, zoo
from hubel.cli.data import data
from hubel.cli.look.group import look
from hubel.errors import HubelError, UsageError

SPINS = "1000"
"""How often a thread of OpenMP looks whether the others are done before it sleeps.

Hundreds of thousands of times, as it comes, cost nothing on an idle machine, and on a busy one the time that
the others need: with four busy processes on two cores a step took 14 times as long.
"""

app = typer.Typer(
    name="hubel",
    help="A workbench for convolutional networks: write one down, know all about it, train it, use it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("table")(table.table)
app.command("zoo")(zoo.zoo)
app.command("compare")(compare.compare)
app.command("diff")(diff.diff)
app.command("draw")(draw.draw)
app.command("train")(train.train)
app.command("val")(val.val)
app.command("predict")(predict.predict)
app.command("import-weights")(import_weights.import_weights)
app.add_typer(data, name="data")
app.add_typer(look, name="look")


def _version(wanted: bool) -> None:
    if wanted:
        import hubel

        print(f"hubel {hubel.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Holds the options that stand before a verb."""


def main() -> None:
    """Runs the command line: exit status 0, 1 for an error of the matter, 2 for one of usage."""
    atexit.register(gc.freeze)  # else half a second at the end goes into looking for garbage in torch
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read once, when torch is loaded
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be no text at all
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what runs ends in order
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    warnings.filterwarnings(
        "ignore", "Image size .* could be decompression bomb"
    )  # twice as large is refused
    try:
        app()
    except HubelError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
