"""Topography: the ledger's boxes, and what a spot of light says of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from hubel import Net, Volume, build, conv, fc, maxpool, parse, relu
from hubel.errors import UsageError
from hubel.instruments.subject import Subject
from hubel.instruments.topography import topography
from tests.instruments.subjects import Foreign, state
from tests.strategies import fitting_nets

STRIDED = "conv(4, 3, pad=1) >> relu >> maxpool(2) >> conv(4, 3, stride=2, pad=1) >> relu >> fc(3)"


@given(fitting_nets())
@settings(max_examples=25)
def test_only_units_that_see_the_spot_answer(pair: tuple[Net, Volume]) -> None:
    subject = Subject.of(build(*pair))
    for found in topography(subject, [step.path for step in subject.steps], spot=2):
        assert (found.rows.outside, found.columns.outside) == (0, 0), found.path


def test_boxes_are_the_ledgers() -> None:
    subject = Subject.of(build(parse(STRIDED), "16x20x1"))
    first, last = topography(subject, ["conv1", "conv2"])
    assert first.rows.boxes[[0, 15]].tolist() == [[-1, 1], [14, 16]]
    assert first.columns.centres.tolist() == list(range(20))
    # conv1 pads 1, pooling halves, conv2 strides 2 from -1: row r sees pooled 2r-1 to 2r+1
    assert last.rows.boxes.tolist() == [[4 * row - 3, 4 * row + 4] for row in range(4)]
    assert last.columns.boxes.shape == (5, 2)


def test_the_answer_moves_with_the_spot() -> None:
    network = build(conv(1, 3, stride=2, bias=False) >> relu, "17x11x1")
    nn.init.ones_(next(network.parameters()))
    found = topography(Subject.of(network), ["conv1"])[0]
    assert found.columns.spots.tolist() == [[at, at] for at in range(11)]
    # windows 0-2, 2-4, ...: an odd pixel lies in one window, at whose middle it is; an even one in two
    assert (found.columns.answers > 0).sum(1).tolist() == [1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 1]
    assert found.columns.followed[1:10] == pytest.approx(np.arange(1.0, 10))
    assert found.rows.followed[1:16] == pytest.approx(np.arange(1.0, 16))


def test_a_wrong_box_would_be_noticed() -> None:
    module = build(conv(1, 5, pad=2), "9x9x1")
    nn.init.ones_(next(module.parameters()))
    claimed = Subject(module, module.volume, build(conv(1, 3, pad=1), "9x9x1").steps)
    assert topography(claimed, ["conv1"])[0].columns.outside == 14  # pairs two apart, of 9


def test_a_module_of_ones_own_is_left_as_it_was() -> None:
    module = Foreign().train()
    before = state(module)
    shown: list[int] = []
    found = topography(Subject.of(module, "8x8x2"), ["conv", "act"], spot=3, progress=shown.append)
    assert state(module) == before
    assert [each.rows.answers.shape for each in found] == [(6, 6), (6, 6)]
    assert found[0].rows.outside == 0
    assert shown == [12]


def test_a_silent_map_follows_nothing() -> None:
    network = build(conv(2, 3) >> relu, "8x8x1")
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    found = topography(Subject.of(network), ["relu1"])[0]
    assert np.isnan(found.rows.followed).all()
    assert found.rows.outside == 0


def test_errors() -> None:
    subject = Subject.of(build(conv(2, 3) >> maxpool(2) >> fc(2), "8x6x1"))
    with pytest.raises(UsageError, match="a spot is 1 to 6 pixels"):
        topography(subject, ["conv1"], spot=7)
    with pytest.raises(UsageError, match="name the layers"):
        topography(subject, [])
    with pytest.raises(UsageError, match="did you mean conv1"):
        topography(subject, ["conv"], see=lambda images: torch.zeros(len(images), 1, 8, 6))
