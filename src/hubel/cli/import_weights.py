"""`hubel import-weights`: weights of other libraries become a model of hubel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.network import FORCE_HELP


def import_weights(
    source: Annotated[
        str,
        typer.Argument(
            help="A state_dict, .pth or .safetensors; or hf:OWNER/NAME@REVISION of the Hugging Face hub.",
            metavar="FILE",
        ),
    ],
    *,
    net: Annotated[
        str | None,
        typer.Option("--net", help="The network of the zoo they belong to, such as resnet50_v1_5."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The model's file to write. Default: NET.safetensors.")
    ] = None,
    volume: Annotated[
        str | None,
        typer.Option("--input", "--volume", help="The input volume, HxWxD. Default: the network's own."),
    ] = None,
    preprocessing: Annotated[
        str | None,
        typer.Option(
            help="How images are preprocessed: torchvision, torchvision_v2, googlenet, timm_a1 or "
            "efficientnet_lite0. Default: as for the network's published weights."
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="A text file of the class names, one per line. Default: ImageNet's, if there are 1,000."
        ),
    ] = None,
    ema: Annotated[
        bool, typer.Option("--ema", help="Take the moving average of the weights that a checkpoint has.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Make a model from weights of torchvision, timm and others; nothing in the file is executed."""
    from hubel.tasks import import_weights as task

    found = task.import_weights(
        source,
        net=net,
        out=out,
        volume=volume,
        preprocessing=preprocessing,
        classes=classes,
        ema=ema,
        force=force,
    )
    print(f"{found.loaded} ({found.loaded.maker} names)")
    for remark in found.remarks:
        print(f"  note    {remark}")
    print(f"  model   {found.path}\n  use it  hubel predict {found.path} IMAGE")
