"""How well a network does on labelled pictures: loss, accuracy, who is taken for whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


@dataclass(frozen=True)
class Evaluation:
    """The probabilities a network gives, and the truth: float32 n x classes, int64 n, on the CPU.

    `loss` is the mean cross-entropy in nats, without label smoothing.
    """

    probabilities: Tensor
    labels: Tensor
    loss: float

    @cached_property
    def predicted(self) -> Tensor:
        """The most probable class of each picture: int64, n."""
        return self.probabilities.argmax(1)

    @cached_property
    def top1(self) -> float:
        """The share of pictures whose most probable class is the right one."""
        return (self.predicted == self.labels).double().mean().item()

    @cached_property
    def confusion(self) -> Tensor:
        """How often class i (row) is taken for class j (column): int64, classes x classes."""
        classes = self.probabilities.shape[1]
        return torch.bincount(self.labels * classes + self.predicted, minlength=classes**2).view(
            classes, classes
        )

    def mistakes(self) -> Tensor:
        """The places of the wrong pictures, the surest mistake first: int64."""
        wrong = (self.predicted != self.labels).nonzero().flatten()
        surest = self.probabilities[wrong, self.predicted[wrong]].argsort(descending=True, stable=True)
        return wrong[surest]


@torch.inference_mode()
def evaluate(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> Evaluation:
    """Runs a network over batches of images and labels; its mode is evaluation afterwards."""
    network.eval()
    pairs = [(network(images).float().cpu(), labels.cpu()) for images, labels in batches]
    scores, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return Evaluation(scores.softmax(1), labels, F.cross_entropy(scores.double(), labels).item())
