"""`hubel import`: a network of another program, or weights alone, become a model of hubel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import FORCE_HELP
from hubel.cli.show import show
from hubel.errors import UsageError
from hubel.net.trace import UnreadError
from hubel.tasks import import_model as task
from hubel.tasks.table import rows_before

MEAN_HELP = "The mean of pixels from 0 to 1: one number, or one per channel with commas."
IMAGES_HELP = "Images to compare on as well, beside noise and a photograph: a file, a folder or a pattern."
STD_HELP = "Their standard deviation, as --mean."


def import_model(
    source: Annotated[
        str,
        typer.Argument(
            help="An ONNX file; a Caffe network, .prototxt; a Keras model, .keras, .h5 or .json; or weights "
            "alone, .pth, .safetensors, .h5, hf:...",
            metavar="FILE",
        ),
    ],
    weights: Annotated[
        Path | None,
        typer.Argument(
            help="Of a Caffe network or a Keras .json: its weights, .caffemodel or .h5.", metavar="[WEIGHTS]"
        ),
    ] = None,
    *,
    net: Annotated[
        str | None,
        typer.Option("--net", help="Of weights alone: the network of the zoo they belong to."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The model's file to write. Default: FILE's name, .safetensors.")
    ] = None,
    volume: Annotated[
        str | None,
        typer.Option("--input", "--volume", help="The input volume, HxWxD, where FILE leaves it open."),
    ] = None,
    preprocessing: Annotated[
        str | None,
        typer.Option(
            help="How images are prepared, where FILE does not say: torchvision, torchvision_v2, googlenet, "
            "timm_a1, efficientnet_lite0, keras_caffe, keras_tf or keras_torch."
        ),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(help=MEAN_HELP),
    ] = None,
    std: Annotated[str | None, typer.Option(help=STD_HELP)] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="A text file of the class names, one per line. Default: FILE's, or ImageNet's for 1,000."
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Of a network with several outputs, the name of the scores.")
    ] = None,
    images: Annotated[str | None, typer.Option(help=IMAGES_HELP)] = None,
    ema: Annotated[
        bool, typer.Option("--ema", help="Take the moving average of the weights that a checkpoint has.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Make a model of a network or weights of other programs; nothing in the file is executed."""
    try:
        found = task.import_model(
            source,
            weights,
            net=net,
            out=out,
            volume=volume,
            preprocessing=preprocessing,
            mean=numbers("--mean", mean),
            std=numbers("--std", std),
            classes=classes,
            output=output,
            images=images,
            ema=ema,
            force=force,
        )
    except UnreadError as error:
        if error.steps:
            show(rows_before(error))
        raise
    print(found.report)
    for remark in found.remarks:
        print(f"  note    {remark}")
    print(f"  model   {found.path}\n  use it  hubel predict {found.path} IMAGE")


def numbers(option: str, text: str | None) -> list[float] | None:
    """Returns the numbers of an option. Raises UsageError: it has others than numbers and commas."""
    try:
        return None if text is None else [float(number) for number in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} is a number or several with commas, not {text!r}") from None
