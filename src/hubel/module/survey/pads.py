"""Padding as an operation of its own: its name, and the convolution that takes it as its own padding."""

from __future__ import annotations

from dataclasses import replace

from hubel.module.survey.arguments import Call
from hubel.net.foreign import Foreign
from hubel.net.layer import Layer
from hubel.net.sliding import Conv
from hubel.net.volume import Volume
from hubel.net.window import Padding

MODES: dict[str, Padding] = {"pad": "zeros", "pad_reflect": "reflect", "pad_replicate": "replicate"}
"""The operations whose padding a convolution has, too."""


def operation(call: Call) -> str:
    """Returns the name of an operation; one that pads says by what, unless it is by zeros."""
    name = call.name.strip("_")
    if name != "pad":
        return name
    given = call.given("input pad mode value")
    mode = given.get("mode", "constant")
    return "pad" if mode == "constant" and not given.get("value") else f"pad_{mode}"


def padded(layer: Layer, pad: Layer, seen: Volume, made: Volume) -> Conv | None:
    """Returns a convolution with the padding that was put before it: `pad` makes `made` of `seen`.

    None where it is no convolution, has padding of its own, or the operation does something else.
    """
    if not isinstance(layer, Conv) or layer.pad != 0 or not isinstance(pad, Foreign) or pad.op not in MODES:
        return None
    rows, columns = pad.seen.axes
    below = made.height - seen.height - rows.pad
    right = made.width - seen.width - columns.pad
    sides = (rows.pad, below, columns.pad, right)
    if made.depth != seen.depth or min(sides) < 0:
        return None
    return replace(layer, pad=sides, pad_mode=MODES[pad.op])
