"""The loss of a batch: cross-entropy of the scores, and of each side head's by its weight."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hubel.module.network import Heads, Network
from hubel.training.step.precision import computing_in


def loss_of(
    network: Network,
    images: Tensor,
    targets: Tensor,
    *,
    precision: str,
    smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The loss of a batch and its scores, n x classes float32, computed in a precision.

    `targets` are int64, n, or float32, n x classes, where images are mixed; `weights`, one a class,
    weigh the images of rare classes more.
    """
    with computing_in(precision, images.device):
        output = network(images)
    scores, sides = output if isinstance(output, Heads) else (output, {})
    scores = scores.float()
    loss = F.cross_entropy(scores, targets, weights, label_smoothing=smoothing)
    for path, weight in network.side_weights.items():
        side = F.cross_entropy(sides[path].float(), targets, weights, label_smoothing=smoothing)
        loss = loss + weight * side
    return loss, scores.detach()


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights under which every class counts alike, 1 in the mean over the images: float32, classes."""
    counts = torch.bincount(labels, minlength=classes).float()
    return len(labels) / (classes * counts.clamp(min=1))
