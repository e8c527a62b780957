"""LeNet-5's output codes."""

from __future__ import annotations

import pytest
import torch

from hubel import build, rbf
from hubel.errors import SizeError
from hubel.module.lenet_codes import codes
from hubel.zoo.pages.lenet import lenet5_1998
from tests.module.probes import scores_of


def test_the_digits_are_images_of_7_by_12_points() -> None:
    digits = codes(10, 84)
    assert digits.shape == (10, 84)
    assert digits.dtype == torch.float32
    assert set(digits.flatten().tolist()) == {-1.0, 1.0}


def test_the_1_and_the_7_look_as_they_should() -> None:
    ink = codes(10, 84).reshape(10, 12, 7) > 0
    assert ink[1, :, 3].all()  # the stem of the 1
    assert ink[7, 0].all()  # the bar of the 7
    assert ink[0, 6].tolist() == [True, True, False, False, False, True, True]  # the 0 is hollow
    assert torch.equal(ink[0], ink[0].flip(1))  # 0 and 8 are symmetric
    assert torch.equal(ink[8], ink[8].flip(1))


def test_codes_differ_in_several_points_and_similar_digits_have_similar_codes() -> None:
    """LeCun et al. 1998, section II.B: characters that look alike get codes that are alike."""
    digits = codes(10, 84)
    differ = (digits[:, None] != digits[None]).sum(2)
    differ.fill_diagonal_(84)
    assert int(differ.min()) >= 5
    assert differ[8, 0] < differ[8, 4]
    assert differ[5, 6] < differ[5, 7]


@pytest.mark.parametrize(("classes", "length"), [(26, 84), (10, 64), (100, 120), (2, 8)])
def test_other_sizes_get_random_codes_that_are_always_the_same(classes: int, length: int) -> None:
    first, state = codes(classes, length), torch.random.get_rng_state()
    second = codes(classes, length)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first, second)
    assert first.shape == (classes, length)
    assert set(first.flatten().tolist()) == {-1.0, 1.0}
    assert len({tuple(code) for code in first.tolist()}) == classes


def test_an_input_that_is_a_code_wins_with_a_distance_of_0() -> None:
    digits = codes(10, 84)
    module = build(rbf(10), (1, 1, 84)).eval()
    scores = scores_of(module(digits[:, :, None, None]))
    assert torch.equal(scores.argmax(1), torch.arange(10))
    assert torch.equal(scores.diagonal(), torch.zeros(10))
    # each point that differs is 2 away, so 4 in the square
    assert torch.equal(scores, -4.0 * (digits[:, None] != digits[None]).sum(2))


def test_the_codes_are_in_the_state_dict_and_are_not_trained() -> None:
    module = build(lenet5_1998(), (32, 32, 1))
    assert torch.equal(module.state_dict()["OUTPUT.codes"], codes(10, 84))
    assert not any(name.startswith("OUTPUT") for name, _ in module.named_parameters())


def test_short_codes_differ() -> None:
    """There are eight codes of three values, too few for nine classes."""
    assert len({tuple(code) for code in codes(8, 3).tolist()}) == 8
    with pytest.raises(SizeError, match="codes of 3 values cannot tell 9 classes apart"):
        build(rbf(9), "1x1x3")
