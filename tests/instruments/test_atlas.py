"""The atlas's arrays against loops, gradients, and a pass that was never stopped."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from hubel import Volume, build, conv, parse, relu
from hubel.data.dataset import ArrayImages, numbered
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import UsageError
from hubel.instruments.atlas import Atlas, Census, level, selectivity, tuned, until
from hubel.instruments.deconv import project
from hubel.instruments.drive import Drives
from hubel.instruments.patches import top_images
from hubel.instruments.subject import Subject, features
from hubel.instruments.tuning import tune
from hubel.instruments.unit import Unit
from hubel.net.field import Field
from tests.instruments.subjects import Foreign, state

NET = parse(
    "conv(4, 3, pad=1) >> batchnorm >> relu >> (conv(4, 1) | conv(2, 3, pad=1)) >> relu >> "
    "conv(6, 3, pad=1) + identity >> relu >> maxpool(2) >> fc(3)"
)
PIXELS = np.random.default_rng(5).integers(0, 256, (23, 8, 8, 3), np.uint8)
LABELS: npt.NDArray[np.int64] = np.arange(23) * 7 % 3
IMAGES = ArrayImages(LABELS, PIXELS, numbered("noise", 23))
PREPROCESSING = Preprocessing.of("8x8x3")


def subject_of(seed: int = 3) -> Subject:
    """A network whose batch normalisation does something."""
    network = build(NET, "8x8x3", seed=seed)
    norm = network.get_submodule("batchnorm1")
    assert isinstance(norm, torch.nn.BatchNorm2d)
    assert norm.running_var is not None
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, -2.0, 1.0, 3.0]))
        norm.running_var.copy_(torch.tensor([0.3, 4.0, 1.0, 0.1]))
    return Subject.of(network)


def seen(pixels: npt.NDArray[np.uint8] = PIXELS) -> Tensor:
    return PREPROCESSING.normalise(torch.from_numpy(pixels))


def census(subject: Subject, batch: int = 23, top: int = 4) -> Census:
    found = Census(subject, LABELS, 3, top=top)
    for images in torch.split(seen(), batch):
        found.take(images)
    return found


def atlas(subject: Subject, most: int = 64) -> Atlas:
    tunings = tune(subject, tuned(subject, most=most), PREPROCESSING.normalise)
    return Atlas(subject, PREPROCESSING, IMAGES, census(subject).seen(), tunings, "deconv", most)


def test_one_pass_finds_the_patches_and_the_mean_answers_to_each_class() -> None:
    subject = subject_of()
    found = census(subject).seen()
    assert found.images == 23
    for one, other in zip(found.tops, top_images(subject, [seen()], top=4), strict=True):
        assert one.path == other.path
        for name in ("images", "rows", "columns", "scores", "silent"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for path in features(subject):
        values = subject.values(seen(), [path])[path].tolist()
        for channel in range(len(values[0])):
            for label in range(3):
                largest = [max(map(max, values[at][channel])) for at in range(23) if LABELS[at] == label]
                assert found.means[path][channel, label] == pytest.approx(sum(largest) / len(largest))


def test_a_class_without_a_image_has_no_mean() -> None:
    subject = subject_of()
    found = Census(subject, np.zeros(23, np.int64), 2)
    found.take(seen())
    means = found.seen().means["relu1"]
    assert np.isfinite(means[:, 0]).all()
    assert np.isnan(means[:, 1]).all()
    assert np.isnan(selectivity(means)).all()


def test_class_selectivity_by_hand() -> None:
    means = np.array([[6.0, 2.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 5.0, 0.0, 0.0], [3.0, -1.0, 0, 0]])
    # the mean of 2, 1, 0 is 1: (6 - 1) / (6 + 1)
    np.testing.assert_allclose(selectivity(means), [5 / 7, 0, 1, np.nan])
    assert np.isnan(selectivity(np.zeros((1, 3)))).all()
    np.testing.assert_allclose(selectivity(np.array([[3.0, np.nan, 1.0]])), [0.5])


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_a_pass_that_was_put_down_ends_as_one_that_was_not(stop: int) -> None:
    subject = subject_of()
    batches = torch.split(seen(), 5)
    first = Census(subject, LABELS, 3, top=4)
    for images in batches[:stop]:
        first.take(images)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **first.state())
    file.seek(0)
    second = Census(subject, LABELS, 3, top=4)
    second.resume(np.load(file))
    assert second.done == 5 * stop
    for images in batches[stop:]:
        second.take(images)
    whole, parted = census(subject, 5).state(), second.state()
    assert whole.keys() == parted.keys()
    for name in whole:
        assert whole[name].tobytes() == parted[name].tobytes(), name


def test_patches_and_projections_are_those_of_the_whole_network() -> None:
    subject = subject_of()
    made = atlas(subject)
    assert [layer.path for layer in made.layers()] == list(features(subject))
    for layer in made.layers():
        units = list(made.units(layer.path))
        assert [unit.unit for unit in units] == [Unit(layer.path, at) for at in range(layer.shown)]
        top = next(top for top in made.seen.tops if top.path == layer.path)
        for unit in units:
            channel = unit.unit.channel or 0
            kept = ~top.silent[channel]
            assert [patch.image for patch in unit.patches] == top.images[channel][kept].tolist()
            for patch, signal in zip(unit.patches, unit.signals, strict=True):
                whole = project(subject, seen(PIXELS[[patch.image]]), patch.unit, "deconv").signals[0]
                box = patch.seen
                part = whole[:, box.top : box.bottom + 1, box.left : box.right + 1]
                np.testing.assert_allclose(signal, part, rtol=1e-4, atol=1e-6)
                np.testing.assert_array_equal(
                    patch.pixels, PIXELS[patch.image, box.top : box.bottom + 1, box.left : box.right + 1]
                )


def test_only_the_first_units_are_shown_and_places_are_needed_for_tuning() -> None:
    made = atlas(subject_of(), most=2)
    layers = made.layers()
    assert [layer.shown for layer in layers] == [2] * len(layers)
    assert [len(list(made.units(layer.path))) for layer in layers] == [2] * len(layers)
    assert [layer.tuning is None for layer in layers] == [False] * (len(layers) - 1) + [True]
    assert layers[0].tuning is not None
    assert layers[0].tuning.units == (Unit("relu1", 0, 4, 4), Unit("relu1", 1, 4, 4))


def test_a_filter_is_told_as_the_unit_feels_it() -> None:
    """The gradient of what comes in to the rectifier, on the input's pixels, is the filter."""
    subject = subject_of()
    drives = Drives(subject, features(subject))
    for channel in range(4):
        (wiring,) = drives.of(Unit("relu1", channel)).filters
        reached = project(subject, seen(PIXELS[:1]), Unit("batchnorm1", channel, 4, 4), "gradient")
        assert wiring.path == "conv1"
        assert wiring.pixels is not None
        np.testing.assert_allclose(wiring.pixels, reached.signals[0][:, 3:6, 3:6], rtol=1e-4, atol=1e-6)


def test_deeper_units_are_told_by_the_units_they_read() -> None:
    subject = subject_of()
    drives = Drives(subject, features(subject), most=3)
    second, third = (subject.module.get_parameter(f"{path}.weight").detach() for path in ("conv3", "conv4"))
    (wiring,) = drives.of(Unit("relu2", 5)).filters  # the second branch's second map
    energy = second[1].square().sum((1, 2))
    order = energy.argsort(descending=True)[:3].tolist()
    assert (wiring.path, wiring.reads, wiring.pixels) == ("conv3", 4, None)
    assert [each.unit for each in wiring.inputs] == [Unit("relu1", at) for at in order]
    for each, at in zip(wiring.inputs, order, strict=True):
        assert each.share == pytest.approx(float(energy[at] / energy.sum()))
        np.testing.assert_array_equal(each.weights, second[1, at].numpy())
    summed = drives.of(Unit("relu3", 2))  # a filter, and the same map of relu2 by the skip
    assert [wiring.path for wiring in summed.filters] == ["conv4"]
    assert summed.filters[0].inputs[0].unit.channel == int(third[2].square().sum((1, 2)).argmax())
    assert summed.skips == (Unit("relu2", 2),)
    (score,) = drives.of(Unit("fc1", 0)).filters  # through the pooling to the layer one looks at
    assert {each.unit.path for each in score.inputs} == {"relu3"}
    assert score.inputs[0].weights.shape == (4, 4)


def test_zeros_are_no_unit() -> None:
    net = conv(2, 3, pad=1) >> relu >> (parse("conv(4, 3, pad=1) + padshortcut(4)")) >> relu
    drives = Drives(Subject.of(build(net, "8x8x3")), ["relu1", "relu2"])
    assert [drives.of(Unit("relu2", at)).skips for at in (1, 2)] == [(Unit("relu1", 1),), ()]


def test_thirds_of_the_image() -> None:
    volume = Volume(30, 30, 3)
    assert [level(Field((side, side)), volume) for side in (1, 10, 11, 20, 21, 90)] == [
        "low", "low", "mid", "mid", "high", "high",
    ]  # fmt: skip
    assert level(Field((5, 25)), volume) == "high"


def test_a_network_as_far_as_a_layer() -> None:
    subject = subject_of()
    short = until(subject, "relu2")
    assert short.steps[-1].path == "relu2"
    both = [each.values(seen(), ["relu2"])["relu2"] for each in (subject, short)]
    assert torch.equal(*both)


def test_a_module_of_ones_own_is_left_as_it_was() -> None:
    module = Foreign()
    before = state(module)
    subject = Subject.of(module, "8x8x2")
    labels = np.zeros(23, np.int64)
    labels[::2] = 1
    found = Census(subject, labels, 2, top=2)
    found.take(torch.from_numpy(PIXELS[..., :2].transpose(0, 3, 1, 2) / np.float32(255)))
    answers = module.conv(torch.from_numpy(PIXELS[..., :2].transpose(0, 3, 1, 2) / np.float32(255))).relu()
    mean = answers.amax((2, 3))[labels == 1].mean(0).detach().numpy()
    np.testing.assert_allclose(found.seen().means["act"][:, 1], mean, rtol=1e-5)
    (wiring,) = Drives(subject, ["act"]).of(Unit("act", 2)).filters
    np.testing.assert_array_equal(wiring.pixels, module.conv.weight[2].detach().numpy())
    assert state(module) == before


def test_errors() -> None:
    subject = subject_of()
    with pytest.raises(UsageError, match="no images"):
        Census(subject, LABELS, 3).seen()
    with pytest.raises(UsageError, match="has no layer 'conv1'"):
        next(atlas(subject).units("conv1"))
    with pytest.raises(UsageError, match=r"name one of its maps, such as relu1\[0\]"):
        Drives(subject, ["relu1"]).of(Unit("relu1"))
