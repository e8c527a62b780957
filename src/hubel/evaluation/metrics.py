"""How well a network does on labelled images: loss, shares that are right, who is taken for whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel.evaluation.calibration import Reliability
from hubel.module.views import scores

EVALUATION_BATCH = 256
"""How many images a network is evaluated on at a time."""

FEW = 5
"""With so many classes or fewer, that the truth is among the 5 most probable tells nothing."""


@dataclass(frozen=True)
class Evaluation:
    """The scores a network gives, and the truth: float32 n x classes, int64 n, on the CPU.

    `temperature` is what scores are divided by before the softmax; order and accuracy do not depend on it.
    What is by class is a tensor of `classes` numbers, float64, NaN where a class has none.
    """

    scores: Tensor
    labels: Tensor
    temperature: float = 1.0

    def at(self, temperature: float) -> Evaluation:
        """The same at another temperature."""
        return replace(self, temperature=temperature)

    @cached_property
    def probabilities(self) -> Tensor:
        """What the network gives each class: float32, n x classes."""
        return (self.scores / self.temperature).softmax(1)

    @cached_property
    def predicted(self) -> Tensor:
        """The most probable class of each image: int64, n."""
        return self.scores.argmax(1)

    @cached_property
    def hits(self) -> Tensor:
        """Whether each image is right: bool, n."""
        return self.predicted == self.labels

    @cached_property
    def loss(self) -> float:
        """The mean cross-entropy, the negative log-likelihood of the truth, in nats; nothing is smoothed."""
        return F.cross_entropy(self.scores.double() / self.temperature, self.labels).item()

    @cached_property
    def top1(self) -> float:
        """The share of images whose most probable class is the right one."""
        return self.hits.double().mean().item()

    @cached_property
    def top5(self) -> float | None:
        """The share whose truth is among the 5 most probable classes; None with 5 classes or fewer."""
        if self.scores.shape[1] <= FEW:
            return None
        return (self.scores.topk(FEW).indices == self.labels[:, None]).any(1).double().mean().item()

    @cached_property
    def confusion(self) -> Tensor:
        """How often class i (row) is taken for class j (column): int64, classes x classes."""
        classes = self.scores.shape[1]
        return torch.bincount(self.labels * classes + self.predicted, minlength=classes**2).view(
            classes, classes
        )

    @cached_property
    def support(self) -> Tensor:
        """How many images each class has: int64."""
        return self.confusion.sum(1)

    @cached_property
    def recall(self) -> Tensor:
        """The share of each class's images that is right, by class; NaN without an image."""
        return self.confusion.diagonal() / self.support.double()

    @cached_property
    def precision(self) -> Tensor:
        """The share of the images taken for a class that is of it, by class; NaN where none is."""
        return self.confusion.diagonal() / self.confusion.sum(0).double()

    @cached_property
    def f1(self) -> Tensor:
        """Precision and recall in one, by class: 2 right / (its images + those taken for it).

        That is their harmonic mean, and 0 where a class is never named; NaN for a class without an image.
        """
        named = self.confusion.sum(0).double()
        f1 = 2 * self.confusion.diagonal() / (self.support + named)
        return f1.where(self.support > 0, torch.nan)

    @cached_property
    def macro_f1(self) -> float:
        """The mean of `f1` over the classes that have an image, each counting the same."""
        return self.f1.nanmean().item()

    @cached_property
    def reliability(self) -> Reliability:
        """How sure the predictions are, and how often right."""
        return Reliability.of(self.probabilities.max(1).values, self.hits)

    @property
    def ece(self) -> float:
        """The expected calibration error, over 15 ranges of equal width. Source: Guo et al. 2017."""
        return self.reliability.error

    def mistakes(self) -> Tensor:
        """The places of the wrong images, the surest mistake first: int64."""
        wrong = (~self.hits).nonzero().flatten()
        surest = self.probabilities[wrong, self.predicted[wrong]].argsort(descending=True, stable=True)
        return wrong[surest]


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    views: str = "one",
    temperature: float = 1.0,
) -> Evaluation:
    """Runs a network over batches of images and labels; its mode is evaluation afterwards.

    The scores are means over `views`, and at `temperature` in the evaluation.
    """
    network.eval()
    pairs = [(scores(network, images, views).cpu(), labels.cpu()) for images, labels in batches]
    found, truth = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return Evaluation(found, truth, temperature)
