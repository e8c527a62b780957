"""Symptoms: networks made to be ill in a known way, and healthy ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hubel import build, parse
from hubel.evaluation.metrics import Evaluation
from hubel.module.network import Network
from hubel.training.run.diagnose import (
    dying,
    imbalanced,
    in_both,
    never_predicted,
    not_held_out,
    stuck,
    waiting,
    wild,
)
from hubel.training.step.probes import dead_maps, first_non_finite

NET = "conv(4, 3) >> batchnorm >> relu >> maxpool(2) >> fc(6) >> relu >> fc(3)"
CLASSES = ("cat", "dog", "ship")
NAMED = Evaluation(torch.eye(3)[[0, 1, 2, 0]], torch.tensor([0, 1, 2, 2]))


def network() -> Network:
    return build(parse(NET), "8x8x1", seed=1, scores=True)


def images(count: int = 8) -> torch.Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_images_on_both_sides() -> None:
    held_out = [bytes([number]) for number in range(200)]
    assert in_both([b"no", held_out[7]], held_out) is None
    said = in_both([b"no", held_out[7], held_out[9]], held_out)
    assert said is not None
    assert said.startswith("2 of the 200 validation images are also training images")
    assert in_both([], held_out) is None
    assert in_both([b"no"], []) is None


@pytest.mark.parametrize(("loss", "ill"), [(1.0, 1), (1.009, 1), (0.991, 1), (1.02, 0), (0.98, 0)])
def test_a_loss_like_guessing(loss: float, ill: bool) -> None:
    said = stuck(loss * math.log(10), 2.31, 10, steps=100)
    assert (said is not None) == ill
    if said:
        assert "ln(10) = 2.3026" in said
        assert "nothing is learned; try a tenth of the learning rate" in said
        assert "there were few steps: take more epochs" in str(stuck(loss * math.log(10), 2.31, 10, steps=99))


def test_a_loss_like_guessing_of_all_heads() -> None:
    """Of a head and two side heads, each of weight 0.3: 1.6 ln(10) is 3.6841."""
    assert stuck(math.log(10), 2.31, 10, steps=100, heads=1.6) is None
    said = str(stuck(1.6 * math.log(10), 2.31, 10, steps=100, heads=1.6))
    assert "the training loss, 3.6841 / 1.6 for the side heads = 2.3026, is still that of guessing" in said


@pytest.mark.parametrize(("counts", "ill"), [((9, 4, 3), True), ((8, 4, 3), False), ((5, 5, 5), False)])
def test_classes_of_unequal_size(counts: tuple[int, ...], ill: bool) -> None:
    said = imbalanced(np.repeat(np.arange(3), counts), CLASSES)
    assert (said is not None) == ill
    if said:
        assert said.startswith("cat has 9 training images and ship 3;")
        assert "--balance loss" in said


def test_classes_without_validation_images() -> None:
    said = not_held_out(np.array([0, 0, 2]), CLASSES)
    assert said is not None
    assert said.startswith("no validation image shows dog")
    assert not_held_out(np.array([2, 1, 0]), CLASSES) is None


def test_a_step_that_waits() -> None:
    assert waiting(0.1999, 10.0) is None
    assert waiting(0.2, 4.99) is None
    assert "steps wait for images" in str(waiting(0.2, 5.0))


def test_a_loss_like_guessing_of_hard_images_alone() -> None:
    assert stuck(math.log(10), 1.4, 10, steps=100) is None


def test_a_loss_that_is_not_finite_is_not_stuck() -> None:
    assert stuck(math.inf, math.inf, 10, steps=100) is None


@pytest.mark.parametrize(("scale", "right", "ill"), [(20.0, 0, 1), (1.0, 0, 0), (20.0, 2, 1), (20.0, 4, 0)])
def test_a_model_that_is_worse_than_guessing(scale: float, right: int, ill: bool) -> None:
    """Of six images of three classes; two right are what guessing gets."""
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    named = torch.where(torch.arange(6) < right, labels, (labels + 1) % 3)
    found = Evaluation(scale * torch.eye(3)[named], labels)
    if right == 2:
        assert found.top1 == pytest.approx(1 / 3)
    assert ("learning rate is probably too high" in str(wild(found))) == ill


def test_classes_that_are_never_predicted() -> None:
    assert never_predicted(NAMED, CLASSES) is None
    ill = Evaluation(torch.eye(3)[[0, 0, 0]], torch.tensor([0, 1, 1]))  # no image of a ship to name
    said = never_predicted(ill, CLASSES)
    assert said is not None
    assert "dog" in said
    assert "ship" not in said
    assert "--balance" in said


def test_of_many_classes_the_first_are_named() -> None:
    said = never_predicted(Evaluation(torch.eye(9)[[0] * 9], torch.arange(9)), tuple("abcdefghi"))
    assert said is not None
    assert "b, c, d, e, f and 3 more;" in said


def test_dead_maps_by_hand() -> None:
    ill = network()
    with torch.no_grad():
        ill.get_parameter("batchnorm1.weight")[:3] = 0
        ill.get_parameter("batchnorm1.bias")[:3] = torch.tensor([-1.0, 0.0, 1.0])  # dead, dead, always 1
        ill.get_parameter("fc1.weight").zero_()
        ill.get_parameter("fc1.bias")[:] = torch.tensor([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
    assert dead_maps(ill, images()) == {"relu1": 0.5, "relu2": 0.5}
    assert dead_maps(network(), images()) == {"relu1": 0.0, "relu2": 0.0}


def test_dead_maps_leaves_the_network_as_it_was() -> None:
    one = network().train()
    before = {name: value.clone() for name, value in one.state_dict().items()}
    dead_maps(one, images())
    assert one.training
    assert all(parameter.requires_grad for parameter in one.parameters())
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, before[name])


def test_layers_that_die() -> None:
    assert dying({"relu1": 0.49, "relu2": 0.0}) is None
    said = dying({"relu1": 0.5, "relu2": 0.1, "relu3": 1.0})
    assert said is not None
    assert "50 % of relu1, 100 % of relu3" in said
    assert "relu2" not in said


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        ("conv1.weight", math.nan, "conv1.weight"),
        ("batchnorm1.running_mean", math.inf, "batchnorm1.running_mean"),
        ("fc2.bias", -math.inf, "fc2.bias"),
        ("fc1.weight", 3e38, "fc1"),  # finite, but what comes out is not
    ],
)
def test_the_first_that_is_not_finite(name: str, value: float, where: str) -> None:
    ill = network()
    assert first_non_finite(ill, images()) is None
    with torch.no_grad():
        ill.state_dict()[name].fill_(value)
    assert first_non_finite(ill, images()) == where


def test_what_comes_later_is_not_to_blame() -> None:
    ill = network()
    with torch.no_grad():
        for name in ("fc2.weight", "conv1.bias"):
            ill.get_parameter(name)[0] = math.nan
    assert first_non_finite(ill, images()) == "conv1.bias"
    ill = network()
    with torch.no_grad():
        ill.get_parameter("fc1.weight").fill_(3e38)
        ill.get_parameter("fc2.weight")[0] = math.nan
    assert first_non_finite(ill, images()) == "fc1"


def test_a_side_head_that_only_training_runs() -> None:
    ill = build(parse('conv(2, 3) >> side("aux", fc(3)) >> relu >> fc(3)'), "8x8x1")
    with torch.no_grad():
        ill.get_parameter("aux.fc1.weight")[0] = math.nan
    assert first_non_finite(ill, images()) == "aux.fc1.weight"


def test_images_of_another_precision() -> None:
    assert first_non_finite(network(), images().bfloat16()) is None
    assert dead_maps(network(), images().bfloat16()).keys() == {"relu1", "relu2"}
