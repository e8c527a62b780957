"""Ablation against editing the weights, and on a network whose dependence is written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from PIL import Image
from torch import Tensor, nn

from hubel import Net, Volume, build, conv, fc, globalavgpool, parse, relu
from hubel.errors import UsageError
from hubel.instruments.ablate import Ablation, Level, ablate, onward, silenced
from hubel.instruments.subject import Subject
from hubel.instruments.unit import Unit
from hubel.report.instruments.ablate import ablation_figure, as_text
from tests.instruments.subjects import BRANCHED, Foreign, state
from tests.strategies import fitting_nets

CLASSES = 3


def batches_of(volume: Volume, count: int = 40, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, volume.depth, *volume.plane, generator=generator)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    return list(zip(torch.split(images, 16), torch.split(labels, 16), strict=True))


def right(module: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> list[int]:
    """How many of each class a module tells, counted plainly."""
    module.eval()
    hits = [
        label for images, labels in batches for label in labels[module(images).argmax(1) == labels].tolist()
    ]
    return [hits.count(label) for label in range(CLASSES)]


def keep(_path: str, value: Tensor) -> Tensor:
    return value


def instead(other: Tensor, _path: str, _value: Tensor) -> Tensor:
    return other


@given(fitting_nets())
@settings(max_examples=12)
def test_the_rest_runs_as_the_whole_does(pair: tuple[Net, Volume]) -> None:
    subject = Subject.of(build(*pair))
    images = torch.randn(3, pair[1].depth, *pair[1].plane)
    plain = subject.run(images, keep, []).flatten(1)
    for step in subject.steps[:: max(1, len(subject.steps) // 4)]:
        other = torch.randn(3, step.output.depth, *step.output.plane)
        whole = subject.run(images, partial(instead, other), [step.path])
        with onward(subject, step.path, images) as rest:
            torch.testing.assert_close(rest.scores(other), whole.flatten(1))
            torch.testing.assert_close(rest.scores(rest.value), plain)


@pytest.mark.parametrize("level", ["zero", "mean"])
def test_a_silenced_map_is_one_whose_weights_are_edited(level: Level) -> None:
    network = build(BRANCHED, "8x8x2")
    batches = batches_of(network.volume)
    subject = Subject.of(network)
    found = ablate(
        subject, lambda: batches, [Unit("conv1"), *(Unit("conv2", at) for at in range(4))], CLASSES, level
    )
    means = torch.cat([subject.values(images, ["conv2"])["conv2"] for images, _ in batches]).mean((0, 2, 3))
    assert found.correct.tolist() == right(network, batches)
    assert found.images.sum() == 40
    for at in range(4):
        edited = build(BRANCHED, "8x8x2")
        conv2 = edited.get_submodule("conv2")
        assert isinstance(conv2, nn.Conv2d)
        assert conv2.bias is not None
        with torch.no_grad():
            conv2.weight[at] = 0
            conv2.bias[at] = means[at] if level == "mean" else 0
        assert found.without[1 + at].tolist() == right(edited, batches)
    same = found.without[0]  # without any of conv1 all images are one
    assert sorted(same / found.images) == [0, 0, 1]


def test_a_class_depends_on_the_map_that_sees_it() -> None:
    """Class k is light in channel k, and score k is the mean of map k; what is told of nothing is class 0."""
    network = build(conv(3, 1, bias=False) >> relu >> globalavgpool >> fc(3, bias=False), "4x4x3")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.eye(3).reshape(parameter.shape))
    labels = torch.arange(3).repeat(4)
    images = torch.eye(3)[labels][:, :, None, None].expand(-1, -1, 4, 4).contiguous()
    units = [Unit("relu1", at) for at in range(3)]
    found = ablate(Subject.of(network), lambda: [(images, labels)], units, 3, "zero")
    assert found.recall.tolist() == [1, 1, 1]
    # without map 0 all scores of class 0 are equal: the first wins, which is right
    assert found.drops.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert [(each.unit.channel, each.label, each.drop) for each in found.top(2)] == [(1, 1, 1.0), (2, 2, 1.0)]
    assert [(each.place, each.drop) for each in found.top(1, label=2)] == [(2, 1.0)]
    assert found.accuracies.tolist() == [1, pytest.approx(2 / 3), pytest.approx(2 / 3)]
    # at its mean, 1/3, a map is silent, but a class still beats the other maps' nothing
    mean = ablate(Subject.of(network), lambda: [(images, labels)], units, 3)
    assert mean.without.tolist() == [[4, 4, 4]] * 3


def test_silence_is_a_level_at_every_place_or_at_one() -> None:
    value = torch.randn(5, 3, 2, 2)
    means = value.mean(0)
    map_silent = silenced(value, Unit("x", 1), means)
    assert (map_silent[:, 1] == map_silent[0, 1, 0, 0]).all()
    assert map_silent[0, 1, 0, 0] == pytest.approx(float(means[1].mean()))
    torch.testing.assert_close(map_silent[:, [0, 2]], value[:, [0, 2]])
    place = silenced(value, Unit("x", 1, 0, 1), means)
    torch.testing.assert_close(place[:, 1, 0, 1], means[1, 0, 1].expand(5))
    assert (place != value).sum() == 5
    layer = silenced(value, Unit("x"), means)
    torch.testing.assert_close(layer, means.mean((1, 2), keepdim=True).expand_as(value))
    assert (silenced(value, Unit("x")) == 0).all()


def test_the_layers_before_run_once_a_batch() -> None:
    network = build(parse("conv(2, 3) >> relu >> conv(4, 3) >> relu >> fc(3)"), "8x8x1")
    runs = {"conv1": 0, "conv2": 0, "fc1": 0}
    for path in runs:

        def count(_module: nn.Module, _inputs: object, _out: object, path: str = path) -> None:
            runs[path] += 1

        network.get_submodule(path).register_forward_hook(count)
    batches = batches_of(network.volume)
    done: list[int] = []
    ablate(
        Subject.of(network),
        lambda: batches,
        [Unit("conv2", at) for at in range(4)],
        CLASSES,
        progress=done.append,
    )
    assert runs == {"conv1": 6, "conv2": 6, "fc1": 15}  # 3 batches: means and once; whole and 4 silent
    assert done[-1] == 40 * 4


@pytest.mark.parametrize(("module", "path"), [(build(BRANCHED, "8x8x2"), "relu1"), (Foreign(), "act")])
def test_a_module_is_left_as_it_was(module: nn.Module, path: str) -> None:
    module.train()
    batches = batches_of(Volume(8, 8, 2))
    subject = Subject.of(module, "8x8x2")
    before = state(module)
    found = ablate(subject, lambda: batches, [Unit(path, 0), Unit(path)], CLASSES)
    assert state(module) == before
    assert isinstance(found, Ablation)
    assert sorted(found.without[1] / found.images) == [0, 0, 1]


def test_a_class_without_images_has_no_recall() -> None:
    found = Ablation((Unit("x", 0),), "mean", np.array([2, 0]), np.array([2, 0]), np.array([[1, 0]]))
    assert np.isnan(found.recall[1])
    assert [each.label for each in found.top()] == [0]
    assert found.top()[0].drop == 0.5


def test_the_image_shows_where_recall_is_lost() -> None:
    without = np.array([[10, 10, 10], [10, 10, 1], [10, 19, 10]])
    found = Ablation(
        tuple(Unit("relu1", at) for at in range(3)), "mean", np.full(3, 20), np.full(3, 10), without
    )
    pixels = np.asarray(Image.open(BytesIO(ablation_figure(found, ("ant", "bee", "cat")))).convert("RGB"))
    orange, blue = ((pixels.astype(int) @ mix > 150) for mix in ((2, -1, -1), (-1, -1, 2)))
    (down, across), (up, back) = (np.argwhere(each).mean(0) for each in (orange, blue))
    assert down < up  # unit 1 above unit 2
    assert across > back  # class cat to the right of bee
    text = as_text(found, ("ant", "bee", "cat"))
    assert "relu1[1]         cat: 50.00 % to 5.00 % (all classes 35.00 %)" in text
    assert "10 to 1 of 20; 95 % interval 0.89 to 23.61 %\n" in text


def test_a_loss_of_two_images_of_twelve_may_be_chance() -> None:
    """Wilson's interval of 6 of 12 is 25.38 % to 74.62 %, and 4 of 12 lies within it."""
    found = Ablation((Unit("relu1", 0),), "mean", np.array([12]), np.array([6]), np.array([[4]]))
    text = as_text(found, ("skirt",))
    assert "correct with all units: 50.00 % (6 of 12; 95 % interval 25.38 to 74.62 %)" in text
    assert "50.00 % to 33.33 %" in text
    assert "6 to 4 of 12; 95 % interval 13.81 to 60.94 %, which may be chance" in text


def test_errors() -> None:
    subject = Subject.of(build(BRANCHED, "8x8x2"))

    def none() -> Iterator[tuple[Tensor, Tensor]]:
        yield from ()

    with pytest.raises(UsageError, match="did you mean mean"):
        ablate(subject, none, [Unit("conv1")], 3, "meen")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="name the units"):
        ablate(subject, none, [], 3)
    with pytest.raises(UsageError, match="no images"):
        ablate(subject, none, [Unit("conv1")], 3)
    with pytest.raises(UsageError, match="no images"):
        ablate(subject, none, [Unit("conv1")], 3, "zero")
    with pytest.raises(UsageError, match="no layer 'conv9'"):
        ablate(subject, none, [Unit("conv9")], 3)
