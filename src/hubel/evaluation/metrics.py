"""How well a network does on labelled images: loss, accuracy, confusion matrix, mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hubel.counted import Interval, interval
from hubel.data.feed.source import Source
from hubel.evaluation.calibration import Reliability
from hubel.module.views import scores
from hubel.world import World

EVALUATION_BATCH = 256
"""The largest batch of evaluations."""

PIXELS = 3 << 20
"""The most pixels of a batch on a CPU, 62 images of 224x224: of more, each layer waits for new memory."""

TOP = 5
"""The k of top-k accuracy, which says nothing with k classes or fewer."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of a network and the true labels: float32 n x classes, int64 n, on the CPU.

    Scores are divided by `temperature` before the softmax; their order and so the accuracy do not depend
    on it. Values by class are float64 tensors, one number per class, NaN where it is not defined.
    """

    scores: Tensor
    labels: Tensor
    temperature: float = 1.0

    def at(self, temperature: float) -> Self:
        """Returns the same evaluation at another temperature."""
        return replace(self, temperature=temperature)

    @cached_property
    def probabilities(self) -> Tensor:
        """The probability of each class: float32, n x classes."""
        return (self.scores / self.temperature).softmax(1)

    @cached_property
    def predicted(self) -> Tensor:
        """The most probable class of each image: int64, n."""
        return self.scores.argmax(1)

    @cached_property
    def hits(self) -> Tensor:
        """Whether each image is predicted correctly: bool, n."""
        return self.predicted == self.labels

    @cached_property
    def loss(self) -> float:
        """The mean cross-entropy, the negative log-likelihood of the labels, in nats, without smoothing."""
        return F.cross_entropy(self.scores.double() / self.temperature, self.labels).item()

    @cached_property
    def top1(self) -> float:
        """Accuracy: the share of images whose most probable class is the true one."""
        return self.hits.double().mean().item()

    @cached_property
    def correct(self) -> int:
        """The number of images that are predicted correctly."""
        return int(self.hits.sum())

    @property
    def interval(self) -> Interval:
        """The 95 % confidence interval of the accuracy `top1`. Source: Wilson 1927, the score interval."""
        return interval(self.correct, len(self.labels))

    @cached_property
    def chance(self) -> float:
        """The accuracy of always naming the class that has the most of the images."""
        return self.support.max().item() / len(self.labels)

    @cached_property
    def correct5(self) -> int | None:
        """How many have the true class among the 5 most probable; None with 5 classes or fewer."""
        if self.scores.shape[1] <= TOP:
            return None
        return int((self.scores.topk(TOP).indices == self.labels[:, None]).any(1).sum())

    @property
    def top5(self) -> float | None:
        """The share with the true class among the 5 most probable; None with 5 classes or fewer."""
        return None if self.correct5 is None else self.correct5 / len(self.labels)

    @cached_property
    def confusion(self) -> Tensor:
        """How often class i (row) is predicted as class j (column): int64, classes x classes."""
        classes = self.scores.shape[1]
        return torch.bincount(self.labels * classes + self.predicted, minlength=classes**2).view(
            classes, classes
        )

    @cached_property
    def support(self) -> Tensor:
        """The number of images of each class: int64."""
        return self.confusion.sum(1)

    @cached_property
    def recall(self) -> Tensor:
        """The share of a class's images that is predicted correctly, by class; NaN without an image."""
        return self.confusion.diagonal() / self.support.double()

    @cached_property
    def precision(self) -> Tensor:
        """The share of the images predicted as a class that belong to it, by class; NaN without one."""
        return self.confusion.diagonal() / self.confusion.sum(0).double()

    @cached_property
    def f1(self) -> Tensor:
        """The harmonic mean of precision and recall, by class: 2 correct / (images + predictions).

        It is 0 for a class that is never predicted, NaN for a class without an image.
        """
        predictions = self.confusion.sum(0).double()
        f1 = 2 * self.confusion.diagonal() / (self.support + predictions)
        return f1.where(self.support > 0, torch.nan)

    @cached_property
    def macro_f1(self) -> float:
        """The unweighted mean of `f1` over the classes that have an image."""
        return self.f1.nanmean().item()

    @cached_property
    def reliability(self) -> Reliability:
        """The accuracy of the predictions by their confidence."""
        return Reliability.of(self.probabilities.max(1).values, self.hits)

    @property
    def ece(self) -> float:
        """The expected calibration error, over 15 ranges of equal width. Source: Guo et al. 2017."""
        return self.reliability.error

    @cached_property
    def wrong(self) -> Tensor:
        """The indices of the misclassified images, the most confident mistake first: int64."""
        wrong = (~self.hits).nonzero().flatten()
        confidence = self.probabilities[wrong, self.predicted[wrong]]
        return wrong[confidence.argsort(descending=True, stable=True)]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A misclassified image: its name, its true and its predicted class.

    `confidence` is the probability of the prediction, `probability_of_truth` that of the true class.
    """

    name: str
    truth: str
    prediction: str
    confidence: float
    probability_of_truth: float

    def __repr__(self) -> str:
        return f"<Mistake: {self.name} is {self.truth}, predicted {self.prediction} ({self.confidence:.1%})>"


def mistakes_of(evaluation: Evaluation, classes: Sequence[str], names: Sequence[str]) -> list[Mistake]:
    """Returns the misclassified images, the most confident mistake first; `names`: one per image."""
    found = []
    for at in evaluation.wrong.tolist():
        truth, predicted = int(evaluation.labels[at]), int(evaluation.predicted[at])
        probabilities = evaluation.probabilities[at]
        found.append(
            Mistake(
                names[at],
                classes[truth],
                classes[predicted],
                float(probabilities[predicted]),
                float(probabilities[truth]),
            )
        )
    return found


def evaluation_batch(plane: tuple[int, int], device: torch.device) -> int:
    """The batch size of evaluations of images of this height and width."""
    if device.type != "cpu":
        return EVALUATION_BATCH
    return max(1, min(EVALUATION_BATCH, PIXELS // (plane[0] * plane[1])))


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    views: str = "one",
    temperature: float = 1.0,
) -> Evaluation:
    """Evaluates a network on batches of images and labels, and leaves it in evaluation mode.

    The scores are means over `views`; `temperature` is that of the evaluation.
    """
    network.eval()
    pairs = [(scores(network, images, views).cpu(), labels.cpu()) for images, labels in batches]
    found, truth = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return Evaluation(found, truth, temperature)


def evaluate_together(
    network: nn.Module, source: Source, world: World, views: str = "one", temperature: float = 1.0
) -> Evaluation:
    """As `evaluate`, on all images of a source, each seen by one of the processes of a world; together."""
    count = len(source.labels)
    own = evaluate(network, source.epoch(0, among=world.part(torch.arange(count))), views, temperature)
    return replace(own, scores=world.whole(own.scores, count), labels=world.whole(own.labels, count))
