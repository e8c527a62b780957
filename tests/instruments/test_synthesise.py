"""Synthesise: the space that is climbed, and planted detectors that say what the top is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from hubel import build, conv, fc, globalavgpool, parse, relu, softmax
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import UsageError
from hubel.instruments.subject import Subject
from hubel.instruments.synthesise import (
    IMAGENET_COLOURS,
    Climb,
    Decorrelated,
    Shake,
    ascend,
    class_unit,
    colour_root,
    synthesise,
)
from hubel.instruments.unit import Unit
from hubel.module.network import Network
from tests.instruments.subjects import Foreign, state

STILL = Shake(0, 0, 0)
GREY = Preprocessing.of("12x10x1")


def detector(template: npt.NDArray[np.float32], *, pad: int = 0) -> Network:
    """A network of one convolution whose only filter is this: depth x h x w."""
    depth, height, width = template.shape
    net = conv(1, (height, width), pad=pad, bias=False) >> relu
    network = build(net, (height, width, depth))
    with torch.no_grad():
        next(network.parameters()).copy_(torch.from_numpy(template)[None])
    return network


def waves(height: int, width: int, depth: int) -> npt.NDArray[np.float32]:
    """A smooth image of both signs and nowhere zero, in colour a little yellow."""
    y, x = np.mgrid[:height, :width] + 0.5
    wave = np.sin(2 * np.pi * x / width) * np.cos(2 * np.pi * y / height)
    return np.stack([(1.0, 0.9, 0.7)[at] * wave for at in range(depth)]).astype(np.float32)


@pytest.mark.parametrize("shape", [(12, 10, 1), (7, 9, 3), (8, 8, 3)])
def test_a_image_goes_into_the_space_and_back(shape: tuple[int, int, int]) -> None:
    height, width, depth = shape
    space = Decorrelated.of((height, width), depth)
    light = 0.05 + 0.9 * torch.rand(2, depth, height, width, generator=torch.Generator().manual_seed(1))
    point = space.point(light)
    assert point.shape == (2, depth, height, width // 2 + 1, 2)
    torch.testing.assert_close(space.light(point), light, atol=1e-4, rtol=0)


def test_coefficients_are_scaled_by_one_over_their_frequency() -> None:
    scale = Decorrelated.of((8, 8), 1).scale[..., 0]
    assert scale.shape == (8, 5)
    assert float(scale[0, 1] / scale[0, 4]) == pytest.approx(4)  # 1/8 and 1/2 cycles a pixel
    assert float(scale[0, 0]) == float(scale[0, 1])  # the mean counts as the lowest wave
    assert float(scale[1, 0]) == float(scale[7, 0])  # down and up are alike


def test_colours_are_mixed_in_natural_proportions() -> None:
    space = Decorrelated.of((4, 4), 3)
    root = np.array(IMAGENET_COLOURS)
    largest = np.sqrt((root**2).sum(0)).max()
    assert space.mixing == pytest.approx(root / largest)
    point = torch.zeros(1, 3, 4, 3, 2)
    point[0, 0, 0, 0, 0] = 1  # the first axis' mean
    made = space.light(point)[0, :, 0, 0].logit()
    assert (made / made[0]).numpy() == pytest.approx(root[:, 0] / root[0, 0], rel=1e-4)


def test_colours_of_images_have_their_covariance() -> None:
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(40, 8, 8, 3)) @ np.array([[20, 20, 18], [0, 6, -6], [2, -1, 0]]) + 128
    images = np.clip(mixed, 0, 255).astype(np.uint8)
    root = colour_root(images)
    wanted = np.cov(images.reshape(-1, 3).T / 255)
    assert root @ root.T == pytest.approx(wanted, abs=1e-5)
    lengths = np.linalg.norm(root, axis=0)
    assert list(lengths) == sorted(lengths, reverse=True)
    assert Decorrelated.of((4, 4), 3, root).mixing.shape == (3, 3)


@pytest.mark.parametrize("depth", [1, 3])
def test_a_planted_detector_gets_its_template(depth: int) -> None:
    template = waves(12, 10, depth)
    subject = Subject.of(detector(template))
    eye = Preprocessing(12, 10, depth, mean=(0.5,) * depth, std=(0.25,) * depth)
    found = synthesise(subject, [Unit("conv1", 0, 0, 0)], eye, steps=200, shake=STILL)[0]
    assert found.image.shape == (12, 10, depth)
    assert found.image.dtype == np.uint8
    assert found.score > 10 * max(1.0, abs(found.start))
    shown = found.image.transpose(2, 0, 1).ravel().astype(float)
    # no image says more than one that is white and black by the template's signs
    assert np.corrcoef(shown, np.sign(template).ravel())[0, 1] > 0.8
    assert found.score <= 2 * np.abs(template).sum() + 1e-3
    assert found.score > 0.7 * 2 * np.abs(template).sum()


def test_scores_are_the_networks_own() -> None:
    network = build(conv(3, 3) >> relu >> conv(4, 3) >> relu >> fc(2), "12x10x1", seed=3)
    subject = Subject.of(network)
    units = [Unit("conv2", 1), Unit("relu2", 2, 3, 1), Unit("fc1", 1)]
    found = synthesise(subject, units, GREY, steps=5)
    values = subject.values(
        GREY.normalise(torch.from_numpy(np.stack([each.image for each in found]))),
        ["conv2", "relu2", "fc1"],
    )
    wanted = [values["conv2"][0, 1].mean(), values["relu2"][1, 2, 3, 1], values["fc1"][2, 1, 0, 0]]
    assert [each.score for each in found] == pytest.approx([float(value) for value in wanted], abs=1e-5)
    assert [each.unit for each in found] == units


def test_the_same_seed_makes_the_same_image_in_any_company() -> None:
    subject = Subject.of(build(conv(3, 3) >> relu >> fc(2), "12x10x1"))
    units = [Unit("fc1", 0), Unit("relu1", 2), Unit("relu1", 1)]
    alone = synthesise(subject, units[:1], GREY, steps=12, seed=4)[0]
    together = synthesise(subject, units, GREY, steps=12, seed=4)
    assert together[0].history == pytest.approx(alone.history, rel=1e-4)
    assert np.abs(together[0].image.astype(int) - alone.image).max() <= 1
    other = synthesise(subject, units[:1], GREY, steps=12, seed=5)[0]
    assert (other.image != alone.image).any()


def test_what_survives_shaking_is_climbed() -> None:
    subject = Subject.of(build(conv(4, 5, pad=2) >> relu >> globalavgpool >> fc(3), "16x16x3", seed=2))
    eye = Preprocessing(16, 16, 3, mean=(0.5,) * 3, std=(0.25,) * 3)
    units = [Unit("conv1", 0), class_unit(subject, 2)]
    for each in synthesise(subject, units, eye, steps=40):
        assert each.history[-5:].mean() > each.history[:5].mean()
        assert each.score > each.start


def test_a_silent_rectifier_is_woken() -> None:
    network = detector(waves(12, 10, 1))
    found = synthesise(Subject.of(network), [Unit("relu1", 0, 0, 0)], GREY, steps=60, seed=1, shake=STILL)[0]
    with torch.no_grad():
        next(network.parameters()).neg_()
    other = synthesise(Subject.of(network), [Unit("relu1", 0, 0, 0)], GREY, steps=60, seed=1, shake=STILL)[0]
    assert 0.0 in (found.start, other.start)  # one of a template and its negative is silent at first
    assert min(found.score, other.score) > 10


def test_steps_come_one_at_a_time() -> None:
    subject = Subject.of(build(conv(2, 3) >> relu >> fc(2), "12x10x1"))
    steps = list(ascend(subject, [Unit("fc1", 1)], GREY, steps=4))
    assert [step.step for step in steps] == [1, 2, 3, 4]
    seen: list[Climb] = []
    found = synthesise(subject, [Unit("fc1", 1)], GREY, steps=4, progress=seen.append)[0]
    assert [float(step.activations[0]) for step in seen] == pytest.approx(found.history.tolist())


def test_a_class_is_climbed_before_its_softmax() -> None:
    net = conv(2, 3) >> relu >> fc(3) >> softmax
    assert class_unit(Subject.of(build(net, "12x10x1")), 1) == Unit("fc1", 1)
    assert class_unit(Subject.of(build(net, "12x10x1", scores=True)), 2) == Unit("fc1", 2)


class Colourful(Foreign):
    """A module of one's own that sees one channel and ends in a function."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)


@pytest.mark.parametrize(
    "module", [build(parse("conv(4, 3) >> batchnorm >> relu >> fc(3)"), "8x8x1"), Colourful()]
)
def test_the_module_is_left_as_it_was(module: nn.Module) -> None:
    module.train()
    next(module.parameters()).requires_grad_(False)
    subject = Subject.of(module, "8x8x1")
    before = state(module)
    found = synthesise(
        subject, [Unit(subject.steps[0].path, 1), class_unit(subject, 0)], Preprocessing.of("8x8x1"), steps=3
    )
    assert state(module) == before
    assert all(np.isfinite(each.history).all() for each in found)


def test_errors() -> None:
    subject = Subject.of(build(conv(2, 3) >> relu >> fc(2), "12x10x1"))
    with pytest.raises(UsageError, match="name the units"):
        synthesise(subject, [], GREY)
    with pytest.raises(UsageError, match=r"conv1 is a layer; name one of its maps, such as conv1\[0\]"):
        synthesise(subject, [Unit("conv1")], GREY)
    with pytest.raises(UsageError, match="did you mean conv1"):
        synthesise(subject, [Unit("conv2", 0)], GREY)
    with pytest.raises(UsageError, match="steps is at least 1"):
        synthesise(subject, [Unit("conv1", 0)], GREY, steps=0)
    with pytest.raises(UsageError, match="makes 8x8x1, the network sees 12x10x1"):
        synthesise(subject, [Unit("conv1", 0)], Preprocessing.of("8x8x1"))
    with pytest.raises(UsageError, match="classes, numbered 0 to 1, not 2"):
        class_unit(subject, 2)
    with pytest.raises(UsageError, match="an invertible 3 x 3 matrix"):
        Decorrelated.of((4, 4), 3, np.ones((3, 3)))
    with pytest.raises(UsageError, match="no images"):
        colour_root(np.empty((0, 4, 4, 3), np.uint8))
