"""The command line: one file for each verb, which parses, calls one function and prints."""

from __future__ import annotations

import atexit
import gc
import io
import os
import signal
import sys
import warnings
from types import FrameType
from typing import Annotated

import typer

from hubel.cli.loading import LazyGroup, Verb
from hubel.cli.processes import SPINS, Voice
from hubel.errors import WORD, HubelError, UsageError, shortened
from hubel.version import __version__
from hubel.world import end_among_others

VERBS = {
    "table": Verb(
        "hubel.cli.table",
        "table",
        "Print the size, parameters, MACs and receptive field of each layer, totals and memory.",
    ),
    "notation": Verb(
        "hubel.cli.notation", "notation", "Print the notation of a network; make a model of a torch module."
    ),
    "zoo": Verb(
        "hubel.cli.zoo",
        "zoo",
        "List the networks of the zoo: year, depth, parameters, MACs, input, published errors.",
    ),
    "compare": Verb(
        "hubel.cli.compare",
        "compare",
        "Compare networks: parameters, MACs, memory, depth, receptive field, published errors.",
    ),
    "diff": Verb(
        "hubel.cli.diff",
        "diff",
        "Show the layers in which two networks differ; exit status 0 if none, 1 if some, 2 on an error.",
    ),
    "draw": Verb(
        "hubel.cli.draw",
        "draw",
        "Draw a network: volumes as boxes to scale, branches, skip connections and side heads.",
    ),
    "train": Verb("hubel.cli.train", "train", "Train a network on labelled images."),
    "resume": Verb(
        "hubel.cli.train",
        "resume",
        "Resume a stopped run from its last checkpoint, or the members of an ensemble.",
    ),
    "evaluate": Verb(
        "hubel.cli.evaluate",
        "evaluate",
        "Measure a model on labelled images: accuracy, loss, calibration, every class.",
    ),
    "val": Verb(
        "hubel.cli.evaluate",
        "evaluate",
        "Measure a model on labelled images: accuracy, loss, calibration, every class.",
        hidden=True,  # the former name of evaluate
    ),
    "predict": Verb(
        "hubel.cli.predict",
        "predict",
        "Classify images, the most probable class first; exit status 1 if any cannot be read.",
    ),
    "bench": Verb(
        "hubel.cli.bench",
        "bench",
        "Measure every engine that is installed on a model; predict then takes the best.",
    ),
    "export": Verb(
        "hubel.cli.export",
        "export",
        "Write a model as a file that answers elsewhere as it does here: ONNX, OpenVINO, PyTorch.",
    ),
    "serve": Verb(
        "hubel.cli.serve",
        "serve",
        "Serve models behind HTTP: images in, classes out; batches, limits, figures, the inference protocol.",
    ),
    "explore": Verb(
        "hubel.cli.explore",
        "explore",
        "Walk through a network in the browser: its layers, an image through it, every unit's arithmetic.",
    ),
    "info": Verb(
        "hubel.cli.info",
        "info",
        "Print what a model's file says of itself; nothing in it is executed.",
    ),
    "import": Verb(
        "hubel.cli.import_model",
        "import_model",
        "Make a model of a network or weights of other programs; nothing in the file is executed.",
    ),
    "import-weights": Verb(
        "hubel.cli.import_weights",
        "import_weights",
        "Make a model from weights of torchvision, timm and others; nothing in the file is executed.",
        hidden=True,  # the part of import that takes weights alone
    ),
    "data": Verb("hubel.cli.data", "data", "Data sets: download, check, preview."),
    "look": Verb("hubel.cli.look.group", "look", "Look inside a trained network."),
}
"""Every command with its summary, the first line of its docstring, in the order of `hubel --help`."""


class Commands(LazyGroup):
    """Every command."""

    verbs = VERBS


app = typer.Typer(
    name="hubel",
    cls=Commands,
    help="A workbench for convolutional networks: write one down, count its costs, train it, look inside.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hubel {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Takes the options that precede a command."""


def main() -> None:
    """Runs the command line. Exit status: 0, 1 for an error, 2 for a wrong command line.

    A command that is stopped ends by 130 after Ctrl-C and by 143 after SIGTERM, as programs do in a shell.
    """
    atexit.register(gc.freeze)  # else the collection of garbage in torch takes half a second at the end
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read once, when torch is loaded
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file may not be valid text
    terminated: list[int] = []

    def terminate(number: int, frame: FrameType | None) -> None:
        terminated.append(number)
        signal.default_int_handler(number, frame)  # like Ctrl-C: a run ends in order

    signal.signal(signal.SIGTERM, terminate)
    voice = Voice()
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    # Pillow warns of large images; those twice as large it refuses.
    warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")
    try:
        app()
    except SystemExit as end:
        if terminated and end.code:
            sys.exit(128 + signal.SIGTERM)
        if not end.code:
            end_among_others()
        raise
    except HubelError as error:
        voice.error(str(error))
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        voice.error(f"{shortened(str(error.filename or 'a file'), WORD)}: {error.strerror or error}")
        sys.exit(1)
