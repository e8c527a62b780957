"""The card of a model: what is known about it, in Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubel.counted import counted, percent
from hubel.model.file import Model
from hubel.report.units import count, memory, short
from hubel.version import __version__

if TYPE_CHECKING:
    from hubel.module.own import Trainable

UNKNOWN = "not recorded"


def card(model: Model, name: str) -> str:
    """Returns the card of a model called `name`."""
    parts = [
        f"# {name}",
        f"An image classifier of {count(len(model.classes))} classes, trained with hubel {__version__}.",
        "## Classes",
        ", ".join(model.classes),
        "## Data and training",
        _table(_training(model)),
        "## How well it does",
        _accuracy(model),
        "## The network",
        _table(_network(model.network)),
        "```text",
        model.description,
        "```",
        "## Preprocessing",
        _preprocessing(model),
        "## Limits",
        "The accuracy is that of the validation images, which come from the same source as the training "
        "images. Images of another camera, place or time may be classified worse. An image of none of the "
        "classes still gets one of them. Probabilities are calibrated on validation images only.",
        "## How to use it",
        _use(name),
    ]
    return "\n\n".join(parts).replace("```text\n\n", "```text\n").replace("\n\n```\n", "\n```\n") + "\n"


def _training(model: Model) -> dict[str, str]:
    said: dict[str, Any] = model.summary
    seen = "" if model.seen is None else count(len(model.seen))
    return {
        "data": Path(said.get("data", UNKNOWN)).name,
        "training images": seen or UNKNOWN,
        "weights": str(said.get("weights", UNKNOWN)),
        "best epoch": f"{said['epoch']:g}" if "epoch" in said else UNKNOWN,
        "random seed": str(said.get("seed", UNKNOWN)),
    }


def _accuracy(model: Model) -> str:
    top1, images = model.summary.get("val_top1"), int(model.summary.get("val_images", 0))
    if top1 is None:
        first = "The accuracy was not recorded: run `hubel evaluate`."
    else:
        share = counted(round(top1 * images), images) if images else percent(top1)
        first = f"Validation accuracy: {share}; of {count(len(model.classes))} classes."
    views = (
        f" Scores are averaged over the views `{model.views}` of an image." if model.views != "one" else ""
    )
    return f"{first}{views} Temperature of the calibration: {model.temperature:.3g}."


def _network(network: Trainable) -> dict[str, str]:
    params = sum(each.numel() for each in network.parameters())
    macs = sum(step.layer.macs(step.inputs[0]) for step in network.steps if not step.side)
    return {
        "input": f"{network.volume}, height x width x channels",
        "parameters": f"{count(params)}, {memory(4 * params)} in float32",
        "MACs": f"{short(macs)} per image",
    }


def _preprocessing(model: Model) -> str:
    seen = model.preprocessing
    resize = f"the short side becomes {seen.resize} pixels, then " if seen.resize else ""
    fit = {
        "crop": f"{resize}the centre is cut out",
        "pad": "the whole image is kept, with black borders",
        "squash": "the image is stretched",
    }[seen.fit]
    means, stds = (", ".join(f"{value:.4g}" for value in values) for values in (seen.mean, seen.std))
    return (
        f"{seen.volume}, {seen.interpolation} with antialiasing: {fit}. Values from 0 to 1 minus the mean "
        f"({means}), divided by the standard deviation ({stds})."
    )


def _use(name: str) -> str:
    return "\n".join(
        [
            "```console",
            "$ hubel predict MODEL photo.jpg",
            f"$ hubel export MODEL --to onnx      # {name}.onnx, for ONNX Runtime",
            f"$ hubel export MODEL --to openvino  # {name}.xml and {name}.bin",
            f"$ hubel export MODEL --to pt2       # {name}.pt2, for PyTorch",
            "```",
        ]
    )


def _table(rows: dict[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items())])
