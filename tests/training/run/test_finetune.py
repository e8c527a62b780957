"""Starting from a trained model: the weights it gives, and the head that is trained alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError, NetworkError, UsageError
from hubel.model.file import Model
from hubel.net.head import with_classes
from hubel.training.run.finetune import Start, features, fit_head, head_of
from hubel.training.run.prepare import prepare
from hubel.training.settings.config import Config
from hubel.training.settings.recipe import Recipe

NET = 'conv(4, 3) >> batchnorm >> relu >> named("head", fc({}))'


def saved(folder: Path, classes: int = 3) -> tuple[Path, Model]:
    preprocessing = Preprocessing(8, 8, 1, (0.3,), (0.2,))
    network = build(parse(NET.format(classes)), "8x8x1", seed=3)
    model = Model(network, tuple("abcdefghijkl"[:classes]), preprocessing)
    model.save(folder / "old.safetensors")
    return folder / "old.safetensors", model


def test_everything_but_a_head_of_other_classes_is_taken(tmp_path: Path) -> None:
    path, model = saved(tmp_path)
    network = build(parse(NET.format(10)), "8x8x1", seed=4)
    head = network.get_parameter("head.weight").detach().clone()
    start = Start.at(str(path), network, "0123456789")
    assert start.loaded.head == (3, 10)
    assert start.preprocessing == model.preprocessing
    torch.testing.assert_close(
        network.get_parameter("conv1.weight"), model.network.get_parameter("conv1.weight")
    )
    torch.testing.assert_close(network.get_parameter("head.weight").detach(), head)
    with pytest.raises(ModelError):
        Start.at(str(tmp_path / "none.safetensors"), network, "0123456789")


@pytest.mark.parametrize(("classes", "kept"), [("abc", True), ("bca", False), ("xyz", False)])
def test_a_head_of_as_many_other_classes_stays_anew(classes: str, kept: bool, tmp_path: Path) -> None:
    path, model = saved(tmp_path)
    network = build(parse(NET.format(3)), "8x8x1", seed=4)
    drawn = network.get_parameter("head.weight").detach().clone()
    start = Start.at(str(path), network, classes)
    assert start.loaded.head == (None if kept else (3, 3))
    expected = model.network.get_parameter("head.weight").detach() if kept else drawn
    assert torch.equal(network.get_parameter("head.weight").detach(), expected)
    assert torch.equal(*(each.get_parameter("conv1.weight") for each in (network, model.network)))


def test_a_head_that_was_never_trained_is_not_taken(tmp_path: Path) -> None:
    """Not even where the classes have the same names: the head would count as trained then."""
    path, model = saved(tmp_path)
    replace(model, untrained=True).save(path)
    network = build(parse(NET.format(3)), "8x8x1", seed=7)
    assert Start.at(str(path), network, model.classes).loaded.head == (3, 3)


def test_a_head_alone_is_multinomial_regression() -> None:
    """At the optimum the gradient of loss and decay is zero, and separable classes are told apart."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    seen = torch.randn(300, 5, generator=generator) + 4 * torch.eye(3, 5)[labels]
    layer = torch.nn.Linear(5, 3)
    fit_head(layer, seen, labels)
    assert (layer(seen).argmax(1) == labels).float().mean() > 0.98
    scale = seen.square().mean().sqrt()
    weight = (layer.weight * scale).detach().requires_grad_()
    scores = torch.nn.functional.linear(seen / scale, weight, layer.bias)
    loss = torch.nn.functional.cross_entropy(scores, labels) + 1e-3 * weight.square().sum()
    (gradient,) = torch.autograd.grad(loss, weight)
    assert gradient.abs().max() < 1e-4


def test_the_features_are_what_the_head_sees(tmp_path: Path) -> None:
    network = build(parse(NET.format(3)), "8x8x1", seed=3).eval()
    head = head_of(network)
    assert head is not None
    images = torch.randn(5, 1, 8, 8)
    seen, labels = features(network, head, iter([(images, torch.arange(5))]))
    with torch.no_grad():
        torch.testing.assert_close(
            network.get_submodule("head")(seen.view(5, 4, 6, 6)).flatten(1), network(images)
        )
    assert labels.tolist() == [0, 1, 2, 3, 4]


def test_a_setting_trains_a_new_head_first(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    path, _ = saved(tmp_path)
    config = Config(
        data="digits",
        net=NET.format(10),
        input="8x8x1",
        start=str(path),
        precision="float32",
        recipe=Recipe(),
    )
    result = prepare(config).train_head()
    assert result is not None
    assert result.top1 > 0.85


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        ("conv(6, 5) >> relu >> fc(10)", "conv(6, 5) >> relu >> fc(3)"),
        ("conv(6, 5) >> fc(10) >> softmax", "conv(6, 5) >> fc(3) >> softmax"),
        ("conv(10, 1) >> relu >> globalavgpool", "conv(3, 1) >> relu >> globalavgpool"),
        ('named("a", conv(6, 5) >> named("b", fc(10)))', 'named("a", conv(6, 5) >> named("b", fc(3)))'),
        (
            'conv(6, 5) >> side("aux", fc(10), weight=0.3) >> fc(10)',
            'conv(6, 5) >> side("aux", fc(3), weight=0.3) >> fc(3)',
        ),
    ],
)
def test_other_classes(net: str, expected: str) -> None:
    assert with_classes(parse(net), 3) == parse(expected)


@pytest.mark.parametrize("net", ["relu >> maxpool(2)", "fc(10) + fc(10)", "2 * fc(10)"])
def test_networks_without_a_head(net: str) -> None:
    with pytest.raises(NetworkError):
        with_classes(parse(net), 3)


@pytest.mark.parametrize(
    ("asked", "fit", "resize"), [("", "crop", 10), ("crop", "crop", 10), ("pad", "pad", None)]
)
def test_images_are_seen_as_by_the_model_unless_a_fit_is_asked_for(
    tmp_path: Path, asked: Any, fit: str, resize: int | None
) -> None:
    pytest.importorskip("sklearn")
    path, model = saved(tmp_path, 10)
    replace(model, preprocessing=replace(model.preprocessing, resize=10)).save(path)
    config = Config(data="digits", net=NET.format(10), input="8x8x1", start=str(path), fit=asked)
    seen = prepare(replace(config, precision="float32")).preprocessing
    assert (seen.fit, seen.resize, seen.mean, seen.std) == (fit, resize, (0.3,), (0.2,))


def test_without_a_model_images_are_cropped_unless_a_fit_is_asked_for() -> None:
    pytest.importorskip("sklearn")
    config = Config(data="digits", net=NET.format(10), input="8x8x1")
    assert prepare(config).preprocessing.fit == "crop"
    assert prepare(replace(config, fit="squash")).preprocessing.fit == "squash"


def test_a_part_to_freeze_is_looked_for_before_anything_is_trained() -> None:
    pytest.importorskip("sklearn")
    config = Config(data="digits", net=NET.format(10), input="8x8x1", freeze=("conv9",))
    with pytest.raises(
        UsageError, match=r"its parts are conv1, batchnorm1, relu1, head; did you mean conv1\?"
    ):
        prepare(config)
