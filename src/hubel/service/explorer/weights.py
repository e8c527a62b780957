"""The weights of an exhibit as arrays, by the names that PyTorch gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from hubel.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.service.explorer.exhibit import Exhibit

    Arrays = dict[str, npt.NDArray[Any]]

MOST_WEIGHTS = 5_000_000
"""The most weights that one answer gives."""


def weights_of(exhibit: Exhibit, path: str | None = None) -> Arrays:
    """Returns the tensors of all layers, or of one: `PATH.weight`, `PATH.running_mean` and so on, as float32.

    Raises UsageError: there is no such layer, or it has more than five million weights.
    """
    subject = exhibit.opened.subject
    if path is not None:
        found = subject.works_with(path)
        own = {name: each for name, each in found.items() if isinstance(each, Tensor) and name != "input"}
        named = {f"{path}.{name}": each for name, each in own.items()}
    else:
        named = dict(subject.module.state_dict())
    if sum(each.numel() for each in named.values()) > MOST_WEIGHTS:
        what = path or "the network"
        raise UsageError(f"{what} has more than {MOST_WEIGHTS:,} weights; ask for a smaller layer")
    return {
        name: np.ascontiguousarray(each.detach().float().cpu().numpy())
        for name, each in named.items()
        if each.is_floating_point()
    }
