"""Evaluations by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from hubel.train.metrics import Evaluation, evaluate

PROBABILITIES = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.5, 0.4, 0.1]])
LABELS = torch.tensor([0, 1, 2, 1])
RESULT = Evaluation(PROBABILITIES, LABELS, 0.0)


def test_by_hand() -> None:
    assert RESULT.predicted.tolist() == [0, 1, 0, 0]
    assert RESULT.top1 == 0.5
    assert RESULT.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert RESULT.mistakes().tolist() == [2, 3]


class Logs(nn.Module):
    """Scores whose softmax is the pictures' own numbers."""

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        return images.log() + 3


def test_evaluate_over_batches() -> None:
    network = Logs().train()
    result = evaluate(network, [(PROBABILITIES[:3], LABELS[:3]), (PROBABILITIES[3:], LABELS[3:])])
    torch.testing.assert_close(result.probabilities, PROBABILITIES)
    assert result.labels.tolist() == LABELS.tolist()
    expected = -sum(math.log(p) for p in (0.7, 0.8, 0.1, 0.4)) / 4
    assert result.loss == pytest.approx(expected, rel=1e-6)
