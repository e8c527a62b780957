"""The loss of a batch: that of the scores, and that of each side head by its weight."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel.errors import UsageError
from hubel.module.network import Heads
from hubel.module.own import Trainable
from hubel.training.step.precision import computing_in

Criterion: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From scores, float32, n x classes, and targets to the mean loss of the batch.

Targets are int64, n, or float32, n x classes, where images are mixed.
"""


def cross_entropy(smoothing: float = 0.0, weights: Tensor | None = None) -> Criterion:
    """The cross-entropy with smoothed labels; `weights`, one per class, weigh its images."""
    return partial(F.cross_entropy, weight=weights, label_smoothing=smoothing)


def loss_of(
    network: Trainable,
    images: Tensor,
    targets: Tensor,
    *,
    precision: str,
    criterion: Criterion = F.cross_entropy,
    call: nn.Module | None = None,
) -> tuple[Tensor, Tensor]:
    """The loss of a batch and its scores, float32, n x classes, computed in a precision.

    `call` is what runs the network: by default the network itself.
    """
    with computing_in(precision, images.device):
        output = (call or network)(images)
    scores, sides = output if isinstance(output, Heads) else (output, {})
    scores = scores.float()
    loss = criterion(scores, targets)
    if not isinstance(loss, Tensor) or loss.ndim:
        found = f"a tensor of {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise UsageError(f"the loss returns {found}; it is to return one number, the mean of the batch")
    for path, weight in network.side_weights.items():
        loss = loss + weight * criterion(sides[path].float(), targets)
    return loss, scores.detach()


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights under which every class counts the same: float32, classes; their mean over the images is 1."""
    counts = torch.bincount(labels, minlength=classes).float()
    return len(labels) / (classes * counts.clamp(min=1))
