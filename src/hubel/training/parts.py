"""The parts of a network by their names."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from hubel.errors import UsageError, nearest


def parts(network: nn.Module, paths: Sequence[str]) -> list[nn.Module]:
    """The parts of a network at `paths`. Raises UsageError: it has no part of that name."""
    known = [name for name, _ in network.named_modules() if name]
    for path in paths:
        if path not in known:
            names = ", ".join(name for name, _ in network.named_children())
            raise UsageError(f"the network has no part {path!r}{nearest(path, known)}; its parts are {names}")
    return [network.get_submodule(path) for path in paths]
