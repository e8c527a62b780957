"""Folding: batch normalisation by hand, what is left out, and weights that do not belong."""

from __future__ import annotations

import numpy as np
import pytest

from hubel.errors import ModelError
from hubel.graph.frozen import freeze
from hubel.net.names import batchnorm, conv, dropout, fc, identity, relu, softmax
from hubel.net.volume import Volume

STATE = {
    "conv1.weight": np.full((1, 1, 1, 1), 2, np.float32),
    "conv1.bias": np.full(1, 1, np.float32),
    "batchnorm1.weight": np.full(1, 3, np.float32),
    "batchnorm1.bias": np.full(1, 5, np.float32),
    "batchnorm1.running_mean": np.full(1, 7, np.float32),
    "batchnorm1.running_var": np.full(1, 4, np.float32),
}


def test_batch_norm_is_folded_into_the_convolution_before_it() -> None:
    frozen = freeze(conv(1, 1) >> batchnorm(eps=0) >> relu, Volume(1, 1, 1), STATE)
    assert [step.path for step in frozen.steps] == ["conv1", "relu1"]
    kernels, bias = frozen.weights["conv1"]
    assert bias is not None
    # 3 * (2x + 1 - 7) / 2 + 5 = 3x - 4
    assert (kernels.item(), bias.item()) == (3, -4)


def test_batch_norm_whose_input_is_read_elsewhere_stays() -> None:
    frozen = freeze(conv(1, 1) >> (batchnorm(eps=0) | relu), Volume(1, 1, 1), STATE)
    assert [step.path for step in frozen.steps] == ["conv1", "batchnorm1", "relu1", "concat1"]
    factor, summand = frozen.weights["batchnorm1"]
    assert summand is not None
    assert (factor.item(), summand.item()) == (1.5, 5 - 7 * 1.5)


def test_what_does_nothing_at_inference_is_left_out() -> None:
    state = {"fc1.weight": np.ones((2, 1), np.float32), "fc1.bias": np.zeros(2, np.float32)}
    frozen = freeze(dropout >> identity >> fc(2) >> dropout >> softmax, Volume(1, 1, 1), state)
    assert [(step.path, step.sources) for step in frozen.steps] == [("fc1", ("input",))]
    assert frozen.end == "fc1"


@pytest.mark.parametrize("weight", [None, np.ones((1, 1, 3, 3), np.float32)])
def test_weights_that_do_not_belong_are_refused(weight: np.ndarray | None) -> None:
    state = {name: value for name, value in STATE.items() if name != "conv1.weight"}
    state |= {} if weight is None else {"conv1.weight": weight}
    with pytest.raises(ModelError, match=r"for conv1\.weight the network has 1x1x1x1, the file "):
        freeze(conv(1, 1), Volume(1, 1, 1), state)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("running_var", -1, r"batchnorm1\.running_var has a variance below zero"),
        ("weight", 3e38, r"batchnorm1 scales weights beyond the range of float32"),
    ],
)
def test_a_normalisation_that_gives_no_number_is_refused(name: str, value: float, message: str) -> None:
    state = STATE | {f"batchnorm1.{name}": np.full(1, value, np.float32)}
    with pytest.raises(ModelError, match=message):
        freeze(conv(1, 1) >> batchnorm(eps=0), Volume(1, 1, 1), state)
