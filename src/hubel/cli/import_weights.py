"""`hubel import-weights`: weights of other libraries become a model of hubel's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.errors import UsageError


def import_weights(
    source: Annotated[
        str,
        typer.Argument(
            help="A state_dict, .pth or .safetensors; or of the Hugging Face hub, hf:OWNER/NAME@REVISION.",
            metavar="FILE",
        ),
    ],
    *,
    net: Annotated[
        str | None,
        typer.Option("--net", help="The network of the zoo they belong to, such as resnet50_v1_5."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The model's file; NET.safetensors unless said.")] = None,
    size: Annotated[
        str | None, typer.Option("--input", help="The volume the network sees, HxWxD; its own unless said.")
    ] = None,
    preprocessing: Annotated[
        str | None,
        typer.Option(
            help="How images are prepared: torchvision, torchvision_v2, googlenet, timm_a1, "
            "efficientnet_lite0; that of the network's first published weights unless said."
        ),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="A text file of the class names, one a line; ImageNet's unless said.")
    ] = None,
) -> None:
    """Make a model of weights from torchvision, timm and others; nothing in the file is executed."""
    from hubel.model import hub
    from hubel.model import import_weights as foreign

    prepared = foreign.preprocessing_named(preprocessing) if preprocessing else None
    if hub.is_hub(source):
        fetched = hub.fetch(source)
        path, origin, net = fetched.path, fetched.source, net or fetched.net
        prepared = prepared or fetched.preprocessing
    else:
        path, origin = Path(source), Path(source).name
    if net is None:
        raise UsageError("say which network the weights belong to, such as --net resnet50_v1_5")
    out = out or Path(f"{net.partition('(')[0].strip()}.safetensors")
    if out.exists():
        raise UsageError(f"{out} exists; name another file with --out")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent} is no folder; make it first")
    imported = foreign.import_weights(
        net,
        foreign.read_weights(path),
        preprocessing=prepared,
        volume=size,
        classes=_lines(classes) if classes else None,
        source=origin,
    )
    imported.model.save(out)
    print(f"{imported.loaded} ({imported.loaded.maker} names)")
    print(f"  model   {out}\n  use it  hubel predict {out} IMAGE")


def _lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty. Raises UsageError: it cannot be read."""
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: class names cannot be read ({error})") from None
