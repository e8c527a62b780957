"""torch's optimizers without the wrappers of their methods, which load torch's compiler for nothing.

The wrappers keep `torch.compile` from looking into the methods. The first call of one imports 800 modules: as
long as `import torch` itself.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import torch
from torch.optim import Optimizer


def plain(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of an optimizer as it was written, without gradients of its own computation."""
    found: Callable[..., Any] = torch.no_grad()(unwrap(method))
    return found


class Uncompiled(Optimizer):
    """An optimizer that is never compiled. Its class sets `step` too, where that is torch's."""

    add_param_group = plain(Optimizer.add_param_group)
    zero_grad = plain(Optimizer.zero_grad)
    state_dict = plain(Optimizer.state_dict)
    load_state_dict = plain(Optimizer.load_state_dict)
