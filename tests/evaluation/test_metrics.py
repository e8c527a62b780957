"""Evaluations by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hubel.evaluation.metrics import Evaluation, Mistake, evaluate, evaluation_batch

PROBABILITIES = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.5, 0.4, 0.1]])
LABELS = torch.tensor([0, 1, 2, 1])
RESULT = Evaluation(PROBABILITIES.log() + 3, LABELS)


def drawn(classes: int, seen: int = 200, *, seed: int = 0) -> Evaluation:
    """Random scores that know a little of the truth."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (seen,), generator=generator)
    scores = 2 * torch.randn(seen, classes, generator=generator)
    scores[torch.arange(seen), labels] += 1.5
    return Evaluation(scores, labels)


def test_by_hand() -> None:
    torch.testing.assert_close(RESULT.probabilities, PROBABILITIES)
    assert RESULT.predicted.tolist() == [0, 1, 0, 0]
    assert RESULT.top1 == 0.5
    assert RESULT.top5 is None
    assert RESULT.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert RESULT.wrong.tolist() == [2, 3]
    assert RESULT.loss == pytest.approx(-sum(math.log(p) for p in (0.7, 0.8, 0.1, 0.4)) / 4, rel=1e-6)


def test_classes_by_hand() -> None:
    """The last class is never named: no precision, and F1 is 0."""
    assert RESULT.support.tolist() == [1, 2, 1]
    assert RESULT.recall.tolist() == [1, 0.5, 0]
    assert RESULT.precision.tolist() == pytest.approx([1 / 3, 1, math.nan], nan_ok=True)
    assert RESULT.f1.tolist() == pytest.approx([0.5, 2 / 3, 0])
    assert RESULT.macro_f1 == pytest.approx((0.5 + 2 / 3) / 3)


def test_a_class_without_images_has_no_recall_and_no_f1() -> None:
    named = Evaluation(torch.eye(4)[[0, 1, 1]], torch.tensor([0, 0, 3]))
    assert named.recall.tolist() == pytest.approx([0.5, math.nan, math.nan, 0], nan_ok=True)
    assert named.precision.tolist() == pytest.approx([1, 0, math.nan, math.nan], nan_ok=True)
    assert named.f1.tolist() == pytest.approx([2 / 3, math.nan, math.nan, 0], nan_ok=True)
    assert named.macro_f1 == pytest.approx(1 / 3)


def test_top5_by_hand() -> None:
    ranks = torch.arange(7.0).expand(3, 7)  # class 6 is the most probable, class 2 the fifth
    assert Evaluation(ranks, torch.tensor([6, 2, 1])).top5 == pytest.approx(2 / 3)
    assert Evaluation(torch.zeros(2, 5), torch.tensor([0, 4])).top5 is None


@pytest.mark.parametrize("classes", [6, 11])
def test_as_scikit_learn_has_it(classes: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    found = drawn(classes)
    found = Evaluation(found.scores, found.labels.clamp(max=classes - 2))  # the last class has no images
    truth, taken = found.labels.numpy(), found.predicted.numpy()
    assert (taken == classes - 1).any(), "it is named all the same"
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, taken, labels=range(classes), zero_division=np.nan
    )
    there = slice(0, classes - 1)
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall, recall)
    np.testing.assert_allclose(found.f1[there], f1[there])
    np.testing.assert_array_equal(found.support, support)
    assert found.macro_f1 == pytest.approx(
        metrics.f1_score(truth, taken, labels=range(classes - 1), average="macro")
    )
    assert found.top5 == pytest.approx(
        metrics.top_k_accuracy_score(truth, found.scores.numpy(), k=5, labels=range(classes))
    )
    chances = found.scores.double().softmax(1).numpy()
    assert found.loss == pytest.approx(metrics.log_loss(truth, chances, labels=range(classes)))


def test_a_temperature_changes_how_sure_it_is_and_nothing_else() -> None:
    cool = drawn(7)
    warm = cool.at(3.0)
    assert warm.top1 == cool.top1
    assert warm.top5 == cool.top5
    assert torch.equal(warm.confusion, cool.confusion)
    torch.testing.assert_close(warm.probabilities, (cool.scores / 3).softmax(1))
    assert warm.loss == pytest.approx(Evaluation(cool.scores / 3, cool.labels).loss, rel=1e-6)
    assert warm.ece != cool.ece


def test_scores_that_are_not_finite_break_nothing() -> None:
    found = Evaluation(torch.tensor([[math.nan, 0.0], [1.0, 0.0]]), torch.tensor([0, 0]))
    assert math.isnan(found.loss)
    assert math.isnan(found.ece)


class Logs(nn.Module):
    """Scores whose softmax is the images' own numbers."""

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        return images.log() + 3


def test_evaluate_over_batches() -> None:
    network = Logs().train()
    result = evaluate(network, [(PROBABILITIES[:3], LABELS[:3]), (PROBABILITIES[3:], LABELS[3:])])
    torch.testing.assert_close(result.probabilities, PROBABILITIES)
    assert result.labels.tolist() == LABELS.tolist()
    assert result.temperature == 1


def test_evaluate_looks_at_the_views_and_keeps_the_temperature() -> None:
    result = evaluate(Logs(), [(PROBABILITIES, LABELS)], "mirror", 2.0)
    both = (PROBABILITIES.log() + PROBABILITIES.flip(1).log()) / 2 + 3
    torch.testing.assert_close(result.scores, both)
    torch.testing.assert_close(result.probabilities, (both / 2).softmax(1))


def test_a_mistake_is_shown_in_one_line() -> None:
    found = [Mistake("a.jpg", "cat", "dog", 0.98765, 0.01)]
    assert repr(found) == "[<Mistake: a.jpg is cat, predicted dog (98.8%)>]"


@pytest.mark.parametrize(
    ("plane", "count"),
    [((32, 32), 256), ((110, 110), 256), ((224, 224), 62), ((224, 448), 31), ((2000, 2000), 1)],
)
def test_a_cpu_evaluates_fewer_large_images_at_once(plane: tuple[int, int], count: int) -> None:
    assert evaluation_batch(plane, torch.device("cpu")) == count
    assert evaluation_batch(plane, torch.device("cuda")) == 256
