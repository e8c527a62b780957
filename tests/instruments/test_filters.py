"""Filters are on one scale; what is dead or doubled is found."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from hubel import build, parse
from hubel.errors import UsageError
from hubel.instruments.filters import Filters, filters
from hubel.instruments.subject import Subject
from hubel.report.instruments import filters as report


def filters_of(text: str, volume: str, path: str | None = None) -> Filters:
    return filters(Subject.of(build(parse(text), volume)), path)


def planted(module: nn.Module) -> nn.Module:
    """A module whose first layer has a dead filter, a double and a negative."""
    weight = next(module.parameters()).data
    weight[2] = 0
    weight[4] = 3 * weight[1]
    weight[5] = -0.5 * weight[0] + 0.001 * torch.randn_like(weight[0])
    return module


@pytest.mark.parametrize(
    "module",
    [
        build(parse("conv(8, 5) >> relu >> fc(3)"), "9x9x3"),
        nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Flatten(), nn.Linear(200, 3)),
    ],
)
def test_what_is_planted_is_found(module: nn.Module) -> None:
    found = filters(Subject.of(planted(module), "9x9x3"))
    assert found.dead == {2: "its weights are zero"}
    assert [(each.first, each.second) for each in found.twins] == [(1, 4), (0, 5)]
    assert [each.cosine for each in found.twins] == pytest.approx([1, -1], abs=0.01)
    text = report.as_text(found)
    for line in (
        "dead: 2; its weights are zero",
        "duplicates, by cosine: 1 and 4",
        "negative, by cosine: 0 and 5",
    ):
        assert line in text


def test_a_batch_norm_that_scales_to_zero_kills_a_filter() -> None:
    network = build(parse("conv(4, 3) >> batchnorm >> relu"), "6x6x3")
    network.batchnorm1.weight.data[3] = 1e-9  # type: ignore[union-attr, operator]
    assert filters(Subject.of(network)).dead == {3: "batchnorm1 scales it to zero"}
    network = build(parse("conv(3, 3, pad=1) >> (batchnorm + identity)"), "6x6x3")
    network.batchnorm1.weight.data[1] = 0  # type: ignore[union-attr, operator]
    assert filters(Subject.of(network)).dead == {}  # its map goes on beside the batch norm


def test_statistics_by_hand() -> None:
    network = build(parse("conv(2, 2, bias=False)"), "4x4x1")
    network.conv1.weight.data = torch.tensor([[[[3.0, 0], [0, -4]]], [[[5.0, 5], [5, 5]]]])  # type: ignore[union-attr]
    found = filters(Subject.of(network))
    assert found.norm.tolist() == [5, 10]
    assert found.mean.tolist() == [-0.25, 5]
    assert found.std[1] == 0
    assert found.energy.tolist() == [0.2, 0.8]
    assert found.sparsity.tolist() == [0.5, 0]
    assert found.scale == 5
    assert found.order.tolist() == [1, 0]


def test_all_filters_are_drawn_on_one_symmetric_scale() -> None:
    found = filters_of("conv(8, 5)", "9x9x3")
    drawn = report.tiles(found)
    assert drawn is not None
    assert drawn.shape == (8, 5, 5, 3)
    back = (drawn.astype(float) / 127.5 - 1) * found.scale
    np.testing.assert_allclose(back, found.weights.transpose(0, 2, 3, 1), atol=found.scale / 200)
    assert {0, 255} & set(drawn.ravel().tolist())


def test_a_grid_has_a_kernel_for_each_filter_and_map() -> None:
    found = filters_of("conv(6, 3, groups=2)", "9x9x8")
    assert report.tiles(found) is None
    rows, columns = found.order, found.maps
    drawn = report.grid(found, rows, columns).reshape(6, 8, 3, 3, 4)
    for row, number in enumerate(rows):
        for column, channel in enumerate(columns):
            here = np.flatnonzero(found.sees[number] == channel)
            assert bool(drawn[row, column, ..., 3].all()) == bool(len(here))
            if len(here):
                back = (drawn[row, column, ..., 0].astype(float) / 127.5 - 1) * found.scale
                np.testing.assert_allclose(back, found.weights[number, here[0]], atol=found.scale / 200)
    energy = [np.square(found.weights[found.sees == channel]).sum() for channel in columns]
    assert energy == sorted(energy, reverse=True)


@pytest.mark.parametrize(
    ("text", "path", "shape"),
    [
        ("conv(4, 3) >> conv(5, (1, 2))", "conv2", (5, 4, 1, 2)),
        ("conv(6, 3, groups=6)", None, (6, 1, 3, 3)),
        ("conv(3, 3, links=((0, 2), (1,), (5, 0, 3)))", None, (3, 6, 3, 3)),
        ("relu >> fc(7)", None, (7, 6, 8, 8)),
        ('relu >> conv(4, 4, pad="same") >> fc(2)', None, (4, 6, 4, 4)),
    ],
)
@pytest.mark.parametrize("form", ["svg", "png"])
def test_every_kind_of_filter_is_drawn(
    text: str, path: str | None, shape: tuple[int, ...], form: str
) -> None:
    found = filters_of(text, "8x8x6", path)
    assert found.weights.shape == shape
    assert report.image(found, form) == report.image(found, form)
    content = json.loads(report.as_json(found))
    assert content["shape"] == list(shape)
    assert len(content["filters"]) == shape[0]


@pytest.mark.parametrize("path", ["conv1", "conv2", "fc1"])
def test_a_layer_of_zeros_is_drawn(path: str) -> None:
    """All filters are dead, none has a direction to share, and each kernel is the grey of zero."""
    network = build(parse("conv(4, 3) >> relu >> conv(6, 3, groups=2) >> relu >> fc(2)"), "10x10x3")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    found = filters(Subject.of(network), path)
    assert sorted(found.dead) == list(range(len(found.weights)))
    assert (found.twins, found.scale) == ((), 0)
    assert found.energy.tolist() == [0] * len(found.weights)
    assert json.loads(report.as_json(found))["scale"] == 0
    assert report.image(found, "png")
    assert report.as_text(found)


def test_links_that_are_missing_weigh_nothing() -> None:
    found = filters_of("conv(3, 3, links=((0, 2), (1,), (5, 0, 3)))", "8x8x6")
    present = np.abs(found.weights).sum((2, 3)) > 0
    assert [np.flatnonzero(row).tolist() for row in present] == [[0, 2], [1], [0, 3, 5]]


def test_errors() -> None:
    subject = Subject.of(build(parse("conv(4, 3) >> relu >> fc(3)"), "6x6x3"))
    with pytest.raises(UsageError, match=r"relu1 is relu and has no filters; those that have: conv1, fc1"):
        filters(subject, "relu1")
    with pytest.raises(UsageError, match=r"no layer 'cnv1'; did you mean conv1\?"):
        filters(subject, "cnv1")
    with pytest.raises(UsageError, match="alike is a cosine"):
        filters(subject, alike=1.5)
    with pytest.raises(UsageError, match="no layer with filters"):
        filters(Subject.of(build(parse("relu"), "6x6x3")))
