"""Convolution, batch normalisation by fixed statistics and relu as one pass, in training on a CPU.

With fixed statistics a normalisation is a factor and an offset per map. The factor scales the filters of the
convolution before it, and the offset is its bias: one pass over the maps in place of three, and one result
to keep for the backward pass. Autograd carries the gradients on to the filters and to the normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from hubel.module.convolution import Convolution, is_traced
from hubel.module.direct import Limits
from hubel.module.layers import PaddedConv
from hubel.net.activations import Relu
from hubel.net.norms import BatchNorm
from hubel.net.sliding import Conv
from hubel.net.trace import Step


def chains(steps: Sequence[Step], end: str) -> dict[str, int]:
    """How many steps behind a convolution may be one pass with it, by its path: a norm, and maybe a relu.

    Nothing else reads what is between them, and the scores are at `end`.
    """
    readers: dict[str, int] = {}
    for step in steps:
        for source in step.sources:
            readers[source] = readers.get(source, 0) + 1
    found = {}
    for place, first in enumerate(steps):
        last, count = first, 0
        for kind, then in zip((BatchNorm, Relu), steps[place + 1 :], strict=False):
            alone = readers.get(last.path) == 1 and then.sources == (last.path,) and last.path != end
            if not isinstance(first.layer, Conv) or not isinstance(then.layer, kind) or not alone:
                break
            last, count = then, count + 1
        if count:
            found[first.path] = count
    return found


def folds(parts: Sequence[nn.Module], images: Tensor) -> bool:
    """Whether these modules can be one pass on these images: float32 on a CPU, with fixed statistics.

    Modules that somebody replaced, or that have hooks, run one by one.
    """
    conv, norm, *rest = parts
    if type(conv) not in {Convolution, PaddedConv} or type(norm) is not nn.BatchNorm2d or norm.training:
        return False
    if not norm.affine or norm.running_mean is None or any(map(_is_watched, parts)) or is_traced():
        return False
    weight = cast("Convolution", conv).weight
    known = all(type(part) in {nn.ReLU, nn.Hardtanh} for part in rest)
    plain = images.device.type == "cpu" and images.dtype == weight.dtype == torch.float32
    return known and plain and not torch.is_autocast_enabled("cpu")


def folded(parts: Sequence[nn.Module], images: Tensor) -> Tensor:
    """Runs such modules as one pass: n x depth x h x w to n x filters x h' x w'."""
    conv, norm = cast("Convolution", parts[0]), cast("nn.BatchNorm2d", parts[1])
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    offset = norm.bias - norm.running_mean * factor
    if conv.bias is not None:
        offset = offset + conv.bias * factor
    if isinstance(conv, PaddedConv):
        images = conv.around(images)
    weight = conv.weight * factor[:, None, None, None]
    return conv.convolved(images, weight, offset, _limits(parts[2:]), folded=True)


def _limits(rest: Sequence[nn.Module]) -> Limits | None:
    """The limits of the activation, None where there is none."""
    if not rest:
        return None
    (part,) = rest
    return (part.min_val, part.max_val) if isinstance(part, nn.Hardtanh) else (0.0, math.inf)


def _is_watched(part: nn.Module) -> bool:
    """Whether a module has hooks, which expect its own input and output."""
    hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)  # noqa: SLF001
    return any(hooks)
