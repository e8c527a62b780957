"""ResNet: where its blocks have a stride, and their shortcuts."""

from __future__ import annotations

import pytest

from hubel import zoo
from hubel.errors import NetworkError
from hubel.net.layers import Add, Identity
from hubel.net.sliding import Conv, PadShortcut
from tests.zoo.papers import measured


def strides(text: str) -> set[str]:
    """The last part of the paths of convolutions with a stride, within blocks."""
    return {
        row.path.partition("block1.")[2]
        for row in measured(text).rows
        if isinstance(row.layer, Conv) and row.layer.stride == 2 and "block" in row.path
    }


def test_the_paper_strides_in_the_1x1_and_torchvision_in_the_3x3() -> None:
    assert strides("resnet50") == {"conv1", "shortcut.conv1"}
    assert strides("resnet50_v1_5") == {"conv2", "shortcut.conv1"}
    assert strides("resnet18") == {"conv1", "shortcut.conv1"}


@pytest.mark.parametrize(
    ("text", "copies", "paddings", "projections"),
    [
        ('resnet34(shortcut="A")', 13, 3, 0),
        ('resnet34(shortcut="B")', 13, 0, 3),
        ('resnet34(shortcut="C")', 0, 0, 16),
        ("resnet50", 12, 0, 4),
        ("resnet20", 7, 2, 0),
        ("plain34", 0, 0, 0),
    ],
)
def test_the_shortcuts_past_the_blocks(text: str, copies: int, paddings: int, projections: int) -> None:
    rows = measured(text).rows
    assert sum(isinstance(row.layer, Identity) for row in rows) == copies
    assert sum(isinstance(row.layer, PadShortcut) for row in rows) == paddings
    assert sum(row.path.endswith("shortcut.conv1") for row in rows) == projections
    assert sum(isinstance(row.layer, Add) for row in rows) == copies + paddings + projections


@pytest.mark.parametrize("name", [name for name in zoo.ZOO if name.startswith(("resnet", "plain"))])
def test_the_depth_in_its_name_is_that_of_its_layers(name: str) -> None:
    rows = [row for row in measured(name).rows if row.macs and "shortcut" not in row.path]
    digits = name.removeprefix("resnet").removeprefix("plain").partition("_")[0]
    assert len(rows) == int(digits)


def test_a_plain_network_is_a_residual_one_without_its_shortcuts() -> None:
    def path(text: str) -> list[tuple[str, str]]:
        rows = measured(text).rows
        return [
            (row.path, repr(row.layer))
            for row in rows
            if not isinstance(row.layer, Add | Identity | PadShortcut)
        ]

    assert path("plain20") == path("resnet20")
    assert path("plain34") == path('resnet34(shortcut="A")')


def test_an_unknown_shortcut_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NetworkError, match=r'"A" \(zeros\), "B" or "C"'):
        zoo.resnet34(shortcut="D")
