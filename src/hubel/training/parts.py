"""The parts of a network by their names."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from hubel.errors import UsageError, first_few, nearest
from hubel.module.own import Trainable


def parts(network: nn.Module, paths: Sequence[str]) -> list[nn.Module]:
    """The parts of a network at `paths`. Raises UsageError: it has no part of that name."""
    known = [name for name, _ in network.named_modules() if name]
    for path in paths:
        if path not in known:
            names = ", ".join(name for name, _ in network.named_children())
            inner = [name for name in known if name.endswith(f".{path}")]
            meant = f"; did you mean {first_few(inner)}?" if inner else nearest(path, known)
            raise UsageError(f"the network has no part {path!r}; its parts are {names}{meant}")
    return [network.get_submodule(path) for path in paths]


def left_to_learn(network: Trainable, paths: Sequence[str]) -> list[nn.Parameter]:
    """Keeps the parts at `paths` from learning; returns the parameters that learn.

    Raises UsageError: the network has no part of that name, or nothing is left to learn.
    """
    for part in parts(network.root, paths):
        part.requires_grad_(requires_grad=False)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not learning:
        raise UsageError("the network has nothing to learn: every layer with parameters is frozen")
    return learning
