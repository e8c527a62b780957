"""Maps are what the module's own forward computes, their boxes what a gradient reaches."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hubel import build, parse
from hubel.errors import UsageError
from hubel.instruments.maps import Maps, maps, passing, seen_paths
from hubel.instruments.subject import Subject
from hubel.report.instruments import maps as report
from hubel.zoo import find

NET = parse(
    "conv(4, 3, pad=1) >> batchnorm >> relu >> (conv(4, 1) | conv(2, 3, pad=1)) >> relu >> "
    "conv(6, 3, pad=1) + identity >> relu >> maxpool(3, 2) >> dropout >> fc(3)"
)


def looked(image: Tensor | None = None) -> tuple[Subject, Tensor, Maps]:
    subject = Subject.of(build(NET, "9x8x2", seed=3))
    given = torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(0)) if image is None else image
    return subject, given, maps(subject, given, seen_paths(subject))


def test_maps_are_those_of_a_forward_hook() -> None:
    subject, image, found = looked()
    expected: dict[str, Tensor] = {}

    def hook(path: str) -> Any:
        return lambda _part, _inputs, out: expected.__setitem__(path, out.clone())

    network = subject.module.eval()
    for path, part in network.named_modules():
        part.register_forward_hook(hook(path))
    with torch.no_grad():
        scores = network(image[None])
    assert [layer.path for layer in found.layers] == [step.path for step in subject.steps]
    for layer in found.layers:
        np.testing.assert_array_equal(layer.values, expected[layer.path][0].numpy())
    np.testing.assert_array_equal(found.scores, scores[0].numpy())
    np.testing.assert_allclose(found.probabilities, scores[0].softmax(0).numpy())


def test_maps_are_normalised_by_the_largest_of_their_layer() -> None:
    for layer in looked()[2].layers:
        assert layer.scale == np.abs(layer.values).max()
        assert np.abs(layer.normalised).max() == pytest.approx(1)
        np.testing.assert_allclose(layer.normalised * layer.scale, layer.values, rtol=1e-6)
        assert layer.signed == (layer.values.min() < 0)


@pytest.mark.parametrize("path", ["conv1", "concat1", "add1", "maxpool1", "fc1"])
def test_the_box_of_a_cell_holds_what_a_gradient_reaches(path: str) -> None:
    subject, image, found = looked()
    (layer,) = (each for each in found.layers if each.path == path)
    for row in {0, 1, layer.volume.height // 2, layer.volume.height - 1} & {*range(layer.volume.height)}:
        for column in range(0, layer.volume.width, 3):
            given = image[None].clone().requires_grad_()
            subject.values(given, [path])[path][0, :, row, column].sum().backward()  # type: ignore[no-untyped-call]
            assert given.grad is not None
            rows, columns = np.nonzero(given.grad[0].abs().sum(0).numpy())
            box = layer.box(row, column)
            assert box.top <= rows.min()
            assert rows.max() <= box.bottom
            assert box.left <= columns.min()
            assert columns.max() <= box.right
            if path == "conv1":
                assert (box.top, box.bottom) == (rows.min(), rows.max())


def test_a_module_of_ones_own_in_place() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 5))
    image = torch.randn(3, 8, 8)
    subject = Subject.of(module, "8x8x3")
    found = maps(subject, image, seen_paths(subject))
    first = module[0](image[None]).detach()
    np.testing.assert_array_equal(found.layers[0].values, first[0].numpy())
    np.testing.assert_array_equal(found.layers[1].values, first.relu()[0].numpy())
    assert found.scores.shape == (5,)


def test_a_softmax_at_the_end_is_not_taken_twice() -> None:
    subject = Subject.of(build(parse("fc(3) >> softmax"), "2x2x1"))
    found = maps(subject, torch.randn(1, 2, 2), ["fc1"])
    assert found.probabilities.sum() == pytest.approx(1)
    np.testing.assert_array_equal(found.scores, found.probabilities)


def test_a_forward_pass_is_told_by_few_layers() -> None:
    net, volume = find("resnet20", classes=10)
    subject = Subject.of(build(net, volume))
    paths = passing(subject)
    assert len(paths) <= 24
    assert paths[0] == "conv1"
    assert paths[-1] == subject.steps[-1].path
    assert "conv2_x.block1.conv1" not in paths  # it stands in a branch
    assert "conv2_x.block1.relu2" in paths
    order = [step.path for step in subject.steps]
    assert sorted(paths, key=order.index) == list(paths)
    assert len(passing(subject, 5)) == 5
    net, volume = find("lenet5", classes=10)
    lenet = Subject.of(build(net, volume))
    assert list(passing(lenet)) == [step.path for step in lenet.steps if step.layer.kind != "softmax"]


def test_errors() -> None:
    subject, image, _ = looked()
    with pytest.raises(UsageError, match=r"no layer 'conw1'; did you mean conv1\?"):
        maps(subject, image, ["conw1"])
    with pytest.raises(UsageError, match="one image is depth x height x width"):
        maps(subject, image[None], ["conv1"])


def test_greys_are_on_the_stated_scale() -> None:
    found = looked()[2]
    for layer in found.layers:
        drawn = report.shades(layer).astype(float)
        low, high = (-layer.scale, layer.scale) if layer.signed else (0.0, layer.scale)
        np.testing.assert_allclose(low + drawn / 255 * (high - low), layer.values, atol=layer.scale / 200)
        channel, row, column = report.strongest(layer)
        assert abs(layer.values[channel, row, column]) == layer.scale
        assert drawn[channel, row, column] in (0, 255)


def test_figures_are_the_same_every_time_and_name_what_they_show() -> None:
    subject, _, found = looked()
    pixels = np.zeros((9, 8, 3), np.uint8)
    classes = ["cat", "dog & fox", "ship $1$"]
    svg = report.forward(found, pixels, classes, "svg", layers=len(subject.steps)).decode()
    for text in ("SCORES", "CONV", "POOL", "dog &amp; fox", "ship $1$", "maxpool1", "sees 3x3"):
        assert text in svg
    assert svg == report.forward(found, pixels, classes, "svg", layers=len(subject.steps)).decode()
    assert report.panels(found, pixels[..., :1], "png").startswith(b"\x89PNG")
    content = json.loads(report.as_json(found, classes, values=True))
    np.testing.assert_allclose(content["layers"][0]["values"], found.layers[0].values)
    assert content["layers"][0]["rows"][:2] == [[0, 1], [0, 2]]
    assert [each["class"] for each in content["scores"]] == classes


@pytest.mark.parametrize("branch", ["1x1", "3x3"])
def test_the_strongest_unit_sees_what_its_own_branch_sees(branch: str) -> None:
    """Held against the pixels a gradient reaches from that very unit."""
    subject, image, _ = looked()
    names = [step.path for step in subject.steps if step.layer.kind == "conv"][1:3]
    with torch.no_grad():
        subject.module.get_parameter(f"{names[branch == '3x3']}.bias").add_(100)
    joined = next(step.path for step in subject.steps if step.layer.kind == "concat")
    layer = next(layer for layer in maps(subject, image, [joined]).layers if layer.path == joined)
    assert (layer.peak.channel or 0) // 4 == (branch == "3x3")
    pixels = image[None].clone().requires_grad_()
    at = layer.peak.channel, layer.peak.row, layer.peak.column
    subject.values(pixels, [joined])[joined][0][at].backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    rows, columns = pixels.grad[0].abs().sum(0).nonzero().T
    found = layer.peak_sees
    assert found.top <= rows.min() <= rows.max() <= found.bottom
    assert found.left <= columns.min() <= columns.max() <= found.right
    reach = {"1x1": 3, "3x3": 5}[branch]
    assert max(found.size) <= reach
