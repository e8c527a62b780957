"""The 1,000 classes of ImageNet (ILSVRC 2012), in the order of the networks' scores."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Returns the names of the classes, all different: `tench`, ..., `toilet tissue`.

    Source: `imagenet.txt`, which names its own sources.
    """
    lines = files("hubel.zoo").joinpath("imagenet.txt").read_text("utf-8").splitlines()
    return tuple(line.partition(" ")[2] for line in lines if not line.startswith("#"))
