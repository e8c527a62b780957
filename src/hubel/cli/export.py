"""`hubel export`: a model as a file that other programs run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import CODE_HELP, FORCE_HELP, MODEL_HELP, announce_code_of


def export(
    model: Annotated[str, typer.Argument(help=MODEL_HELP, metavar="MODEL")],
    *,
    to: Annotated[str, typer.Option(help="onnx, openvino, pt2, or card, a description.")] = "onnx",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write. Default: named after the model.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Take normalised images, give scores: no preprocessing inside.")
    ] = False,
    resize: Annotated[
        bool, typer.Option("--resize", help="Take upright images of any size: the resize is inside.")
    ] = False,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="Compute in int8, if that loses little accuracy on this processor."),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(help="Images to check the file with. Default: those the model was trained on."),
    ] = None,
    max_drop: Annotated[float, typer.Option(help="The most points of accuracy that int8 may lose.")] = 0.5,
    allow_code: Annotated[bool, typer.Option("--allow-code", help=CODE_HELP)] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Write a model as a file that answers elsewhere as it does here: ONNX, OpenVINO, PyTorch."""
    from hubel.report.exported import exported_text
    from hubel.tasks import export as task

    if allow_code:
        announce_code_of(model)
    found = task.export(
        model,
        to=to,
        out=out,
        raw=raw,
        resize=resize,
        int8=int8,
        data=data,
        max_drop=max_drop,
        allow_code=allow_code,
        force=force,
        progress=lambda text: print(text, file=sys.stderr),
    )
    print(exported_text(found.files, found.check, found.images, found.int8))
