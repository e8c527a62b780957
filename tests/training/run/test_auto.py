"""What is chosen for data and time, with the machine's speed given: no test measures it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hubel import Net, build, parse, zoo
from hubel.data.dataset import ArrayImages, DataSet
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError, UsageError
from hubel.model.file import Model
from hubel.module.network import Network
from hubel.net.trace import trace
from hubel.net.volume import Volume
from hubel.training.clock import Clock
from hubel.training.run.auto import FAST, Candidate, choose, in_time
from hubel.training.run.finetune import early_parts
from hubel.training.settings.recipe import Recipe
from hubel.training.settings.recipes import RECIPES

VOLUME = Volume(32, 32, 3)
SIZES = ("fast_tiny", "fast_mini", "fast_small", "fast", "fast_deep", "fast_large")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring may take any time, and a few images are as good as many."""
    monkeypatch.setattr("hubel.training.run.auto.MEASURING", math.inf)
    monkeypatch.setattr("hubel.training.run.auto.FEW", 0)


def images(side: int, depth: int, count: int = 40, classes: int = 4) -> DataSet:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 255, (count, side, side, depth)).astype(np.uint8)
    names = tuple(f"p/{number}" for number in range(count))
    labels = np.arange(count) % classes
    return DataSet("made", tuple(f"class {c}" for c in range(classes)), ArrayImages(labels, pixels, names))


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize(
    ("rate", "name", "usual"),
    [
        (1e17, "fast_large", "fast_long"),
        (1.2e10, "fast_deep", "fast_long"),
        (4.5e9, "fast_deep", "fast_short"),
        (3e9, "fast", "fast_short"),
        (9e8, "fast_small", "fast_short"),
        (3e8, "fast_mini", "fast_short"),
        (1e6, "fast_tiny", "fast_short"),
    ],
)
def test_the_largest_network_that_sees_them_often_enough(
    rate: float, name: str, usual: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 3e9 multiply-adds a second 10 seconds show `fast` 40 images 5.4 times, `fast_deep` 3.1 times."""
    monkeypatch.setattr("hubel.training.run.auto.images_per_second", lambda of: rate / of.macs)
    found = choose(images(32, 3), seconds=10.0)
    assert found.candidate.name == name
    assert found.candidate.recipe.hardest == RECIPES[usual].hardest
    assert found.candidate.recipe.augmentation.cutout == RECIPES[usual].augmentation.cutout
    assert found.epochs == pytest.approx(rate / found.candidate.macs * 10 * 0.85 / 40)
    assert found.start == ""


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize(("few", "name"), [(0, "fast"), (40, "fast"), (55, "fast"), (100, "fast_small")])
def test_few_images_are_seen_oftener_before_a_network_is_larger(
    few: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`fast` would see 40 images 6.5 times: enough for them alone, 4.5, and if they count as 55, 6.2."""
    monkeypatch.setattr("hubel.training.run.auto.images_per_second", lambda of: 3.6e9 / of.macs)
    monkeypatch.setattr("hubel.training.run.auto.FEW", few)
    found = choose(images(32, 3), seconds=10.0)
    assert found.candidate.name == name


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize(("rate", "name", "side"), [(1.2e8, "fast_tiny", 64), (1.8e9, "fast_small", 160)])
def test_large_images_are_seen_larger_where_there_is_time(
    rate: float, name: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 grey images, 10 seconds: 1.5 epochs of `fast_mini` at 64 pixels are too few.

    Of `fast_small` at 160 pixels 4.1 are enough.
    """
    monkeypatch.setattr("hubel.training.run.auto.images_per_second", lambda of: rate / of.macs)
    found = choose(images(160, 1), seconds=10.0).candidate
    assert (found.name, min(found.volume.plane)) == (name, side)


@pytest.mark.parametrize(
    ("passes", "rate", "tried"),
    [(20, 5e11, 5), (20, 1.5e11, 4), (20, 4e10, 2), (20, 1.2e10, 1), (5, 3e10, 4), (5, 1e10, 2), (5, 3e9, 1)],
)
def test_measuring_keeps_to_its_share_of_the_time(
    passes: int, rate: float, tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that only measuring moves, by passes of 64 images: 20 are 7.5e9 of `fast_tiny`.

    Where no precision is timed 5 are enough.
    """
    if passes > 5:
        monkeypatch.setattr("hubel.training.run.auto.best_device", lambda: torch.device("cuda"))
        monkeypatch.setattr("hubel.training.run.auto.warm_up", lambda device: None)
        monkeypatch.setattr("hubel.training.run.auto.on_trial", lambda batch, count, device: 64)
    clock, measured = [0.0], []
    monkeypatch.setattr("hubel.training.run.auto.emulates_bfloat16", lambda device: passes == 5)

    def measure(candidate: Candidate) -> float:
        clock[0] += passes * 64 * candidate.macs / rate
        measured.append(candidate)
        return rate / candidate.macs

    monkeypatch.setattr("hubel.training.run.auto.images_per_second", measure)
    monkeypatch.setattr("hubel.training.run.auto.time.perf_counter", lambda: clock[0])
    candidates = [Candidate(name, zoo.ZOO[name].make(), VOLUME, Recipe()) for name in SIZES]
    found = in_time(candidates, images=40, seconds=20.0)
    assert len(measured) == tried
    assert found.candidate == measured[-1]
    assert clock[0] <= max(0.1 * 20, passes * 64 * candidates[0].macs / rate)


def test_one_network_is_measured_once_whatever_its_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Candidate] = []

    def measure(candidate: Candidate) -> float:
        measured.append(candidate)
        return 40.0

    monkeypatch.setattr("hubel.training.run.auto.images_per_second", measure)
    net = zoo.ZOO["fast"].make()
    short, long = (
        Candidate("fast", net, VOLUME, RECIPES[of], least)
        for of, least in (("fast_short", 0.0), ("fast", 7.0))
    )
    assert in_time((short, long), images=40, seconds=10.0).candidate == long  # 8.5 times each
    assert in_time((short, long), images=40, seconds=8.0).candidate == short
    assert measured == [short, short]


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize("rate", [1e7 * 2**step for step in range(12)])
def test_the_most_expensive_that_has_its_epochs_is_found_whatever_the_order(
    rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images of 224 pixels may be seen at five sides: what is asked for does not rise with the cost."""
    monkeypatch.setattr("hubel.training.run.auto.images_per_second", lambda of: rate / of.macs)
    photos, seconds = images(224, 3, count=4), 100.0
    found = choose(photos, start="none", seconds=seconds)
    every = [
        Candidate(name, net, Volume(side, side, 3), RECIPES[of], epochs if side == 64 else max(epochs, 3.0))
        for name, of, epochs in FAST
        for side in ((64,) if name == "fast_tiny" else (64, 96, 128, 160, 224))
        for net in (zoo.ZOO[name].make(classes=4, side=side),)
    ]
    enough = [each for each in every if rate / each.macs * seconds * 0.85 / 4 >= each.epochs]
    best = max(enough, key=lambda each: each.macs)
    assert (found.candidate.name, found.candidate.volume) == (best.name, best.volume)


@pytest.mark.usefixtures("free")
def test_a_network_that_is_bound_to_be_too_slow_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fast` has 2.7 times the multiply-adds of `fast_small`: 5 epochs of one are not 4.5 of the other."""
    tried: list[str] = []

    def measure(candidate: Candidate) -> float:
        tried.append(candidate.name)
        return 5 * 40 / (10 * 0.85)

    monkeypatch.setattr("hubel.training.run.auto.images_per_second", measure)
    assert choose(images(32, 3), seconds=10.0).candidate.name == "fast_small"
    assert tried == ["fast_tiny", "fast_mini", "fast_small"]


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize(("rate", "name"), [(1e17, "fast_large"), (1e6, "fast_tiny")])
def test_a_size_asked_for_leaves_the_network_to_the_time(
    rate: float, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.training.run.auto.images_per_second", lambda of: rate / of.macs)
    found = choose(images(32, 1), seconds=10.0, volume=Volume(64, 48, 3)).candidate
    assert (found.name, found.volume) == (name, Volume(64, 48, 3))
    assert found.net == zoo.ZOO[name].make(classes=4, depth=3, side=48)


@pytest.mark.parametrize("emulated", [False, True])
def test_what_is_asked_for_is_measured(emulated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of 8 in float32, with no first filters that whiten: nothing that the recipe would take."""
    batches: list[int] = []
    monkeypatch.setattr("hubel.training.run.auto.emulates_bfloat16", lambda device: emulated)
    monkeypatch.setattr("hubel.training.run.speed.emulates_bfloat16", lambda device: emulated)
    if emulated:
        monkeypatch.setattr("hubel.training.run.speed.fastest", lambda network, batch, step: "float32")
    else:
        monkeypatch.delattr("hubel.training.run.speed.fastest")

    def loss(network: Network, pixels: Tensor, labels: Tensor, *, precision: str) -> tuple[Tensor, Tensor]:
        assert precision == "float32"
        batches.append(len(pixels))
        scores = network(pixels)
        return scores.mean(), scores

    monkeypatch.setattr("hubel.training.run.speed.loss_of", loss)
    asked = {"batch": 8, "precision": "float32", "optimizer": "sgd", "seconds": 1e-3}
    found = choose(images(32, 3), seconds=1e-3, settings=asked)
    assert set(batches) == {8}
    assert (found.candidate.recipe.batch, found.candidate.recipe.optimizer) == (8, "sgd")
    with pytest.raises(UsageError, match="did you mean optimizer"):
        choose(images(32, 3), settings={"optimiser": "sgd"})


def test_a_recipe_of_a_file_is_taken_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('batch = 32\n[augmentation]\nflip = "random"\nshift = 3\n')
    found = choose(images(64, 1), recipe=str(tmp_path / "mine.toml")).candidate.recipe
    assert (found.batch, found.augmentation.flip, found.augmentation.shift) == (32, "random", 3)
    fitted = choose(images(64, 1), recipe="standard").candidate.recipe
    assert (fitted.batch, fitted.augmentation.flip, fitted.augmentation.shift) == (8, "none", 4)


def test_without_a_time_epochs_count() -> None:
    found = choose(images(32, 3))
    assert (found.candidate.name, found.epochs) == ("fast", 0.0)
    assert found.candidate.volume == Volume(32, 32, 3)


@pytest.mark.parametrize(("side", "seen"), [(8, 32), (28, 28), (40, 40)])
def test_small_images_are_seen_as_they_are_or_enlarged(side: int, seen: int) -> None:
    assert choose(images(side, 1)).candidate.volume == Volume(seen, seen, 1)


def test_photographs_want_a_trained_network(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = images(80, 3, count=8)
    monkeypatch.setattr("hubel.training.run.auto.pretrained_installed", lambda: None)
    assert choose(photos).none_installed
    assert not choose(photos, start="none").none_installed
    assert not choose(images(32, 3)).none_installed


def test_a_network_asked_for_is_taken_with_its_usual_recipe() -> None:
    net, volume = zoo.find("lenet5", classes=4)
    found = choose(images(28, 1), network=("lenet5", net, volume), seconds=60.0)
    assert found.candidate.net == net
    assert found.candidate.recipe.optimizer == "sgd"
    assert choose(images(28, 1), network=("x", net, volume), recipe="fast").candidate.recipe.whiten
    large = choose(images(28, 1), network=("fast_large(classes=4)", net, volume)).candidate.recipe
    assert large.whiten
    assert large.augmentation.cutout == 8


@pytest.mark.parametrize(
    ("net", "sides"), [("conv(4, 3) >> globalavgpool >> fc(4)", {128, 160}), ("conv(4, 3) >> fc(4)", {160})]
)
def test_a_model_sees_images_smaller_where_its_weights_fit(
    net: str, sides: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def measure(candidate: Candidate) -> float:
        seen.append(min(candidate.volume.plane))
        return 1e9

    monkeypatch.setattr("hubel.training.run.auto.images_per_second", measure)
    built = build(parse(net), "160x160x3")
    Model(built, tuple("abcd"), Preprocessing.of("160x160x3")).save(tmp_path / "m.safetensors")
    found = choose(images(160, 3, count=8), start=str(tmp_path / "m.safetensors"), seconds=60.0)
    assert set(seen) <= sides
    assert found.candidate.volume == Volume(160, 160, 3)
    with pytest.raises(ModelError):  # before anything is said of it
        choose(images(8, 1), network=("x", parse(net), VOLUME), start=str(tmp_path / "none.safetensors"))


@pytest.mark.parametrize(
    ("epochs", "side", "first"),
    [
        (9.0, 224, 224),
        (3.1, 224, 224),
        (2.7, 224, 192),
        (2.4, 224, 160),
        (2.2, 224, 128),
        (1.3, 224, 128),
        (1.0, 192, 192),
        (0.7, 160, 160),
        (0.01, 128, 128),
    ],
)
def test_a_model_has_its_own_size_where_its_head_has_time(
    epochs: float, side: int, first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the epochs of all images at 224 pixels: 1.2 leave time for a head, and 3 pay for larger images.

    Images that grow from 160 to 224 pixels in 0.9 of the run have 0.77 of the work of 224 throughout by the
    integral of the squared side, 0.89 from 192; sides are multiples of 4, which adds a little.
    """
    photos, seconds = images(224, 3, count=40), 100.0
    net = parse("conv(4, 3, pad=1) >> globalavgpool >> fc(4)")

    def speed(candidate: Candidate) -> float:
        plane = candidate.volume.plane
        return epochs * 40 / (0.85 * seconds) * 224**2 / (plane[0] * plane[1])

    monkeypatch.setattr("hubel.training.run.auto.images_per_second", speed)
    Model(build(net, "224x224x3"), tuple("abcd"), Preprocessing.of("224x224x3")).save(
        tmp_path / "m.safetensors"
    )
    found = choose(photos, start=str(tmp_path / "m.safetensors"), seconds=seconds).candidate
    assert min(found.volume.plane) == side
    assert found.recipe.side(0.0, side) == first
    assert found.recipe.side(1.0, side) == side


@pytest.mark.parametrize(
    ("epochs", "wanted", "settings", "freeze"),
    [
        (9.9, {}, {}, ("conv1",)),
        (10.1, {}, {}, ()),
        (9.9, {"volume": Volume(200, 200, 3)}, {}, ("conv1",)),
        (10.1, {"volume": Volume(200, 200, 3)}, {}, ()),
        (9.9, {"recipe": "finetune"}, {}, ("conv1",)),
        (9.9, {"recipe": "standard"}, {}, ()),
        (3.3, {}, {}, ("conv1",)),
        (1.1, {}, {}, ("conv1",)),
        (9.9, {"seconds": 0.0}, {}, ()),
        (9.9, {}, {"freeze": ()}, ()),
        (9.9, {}, {"freeze": ("conv2",)}, ()),
    ],
)
def test_early_parts_of_a_model_stay_where_time_is_short(
    epochs: float,
    wanted: dict[str, Any],
    settings: dict[str, Any],
    freeze: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of `epochs` of the whole network; with early parts that stay there are half as many again."""
    whole = Volume(224, 224, 3)

    def speed(candidate: Candidate) -> float:
        larger: float = wanted.get("volume", whole).values / candidate.volume.values
        larger *= 1.5 if candidate.freeze else 1.0
        return epochs * 40 / (0.85 * 100.0) * larger

    monkeypatch.setattr("hubel.training.run.auto.MEASURING", math.inf)
    monkeypatch.setattr("hubel.training.run.auto.images_per_second", speed)
    net = parse("conv(4, 3, 2, pad=1) >> maxpool(4) >> conv(64, 3, pad=1) >> globalavgpool >> fc(4)")
    file = tmp_path / "m.safetensors"
    Model(build(net, "224x224x3"), tuple("abcd"), Preprocessing.of("224x224x3")).save(file)
    given = {"seconds": 100.0, **wanted}
    found = choose(images(224, 3, count=40), start=str(file), settings=settings, **given)
    assert found.candidate.freeze == freeze
    assert found.early_stay == bool(freeze)
    side = min(found.candidate.volume.plane)
    assert side == (192 if epochs < 1.2 else min(wanted.get("volume", whole).plane))
    assert found.candidate.recipe.side(0.0, side) == side


@pytest.mark.parametrize(
    ("net", "side", "parts"),
    [
        *((zoo.efficientnet_lite0(), side, "stage1 stage2 stage3 stage4") for side in (160, 224, 448)),
        (zoo.resnet50(), 224, "conv1 batchnorm1 conv2_x conv3_x"),
        (zoo.vgg16(), 224, "conv1_1 conv1_2 conv2_1 conv2_2 conv3_1 conv3_2"),
        (zoo.lenet5(), 32, ""),
        (zoo.alexnet(), 227, ""),
        (parse("conv(9, 3, pad=1) >> relu >> conv(2, 1) >> globalavgpool"), 64, ""),
    ],
)
def test_early_parts_are_those_with_large_maps(net: Net, side: int, parts: str) -> None:
    """Of an eighth of the image, by the papers' tables, with a fifth to a half of the multiply-adds.

    AlexNet's first layer has 15 %, and 27x27 maps come behind it; LeNet-5's has 54 % on three colours.
    """
    assert early_parts(net, Volume(side, side, 3)) == tuple(parts.split())


@pytest.mark.parametrize("side", [28, 32, 48, 64, 96, 128, 160, 224])
@pytest.mark.parametrize("name", SIZES)
def test_the_fast_networks_end_in_small_maps_at_every_side(name: str, side: int) -> None:
    steps = trace(zoo.ZOO[name].make(classes=7, side=side), (side, side, 3))
    before = next(step for step in steps if step.path == "globalavgpool1").inputs[0]
    assert 2 <= before.height <= 6
    assert steps[-1].output == Volume(1, 1, 7)


def test_pace() -> None:
    by_epochs, clock = Clock(4), Clock(4, limit=100.0, after=20.0)
    assert by_epochs.progress(1.0, 1e9) == 0.25
    assert clock.progress(1e9, 40.0) == 0.5
    assert clock.progress(0.0, 90.0) == 1.0
    assert not by_epochs.due(1e9, 0.0)
    assert [clock.due(since, 0.1) for since in (9.0, 10.0)] == [False, True]
    assert [clock.due(since, 1.0) for since in (19.0, 20.0)] == [False, True]
    assert replace(clock).progress(0, 0) == 0.0
