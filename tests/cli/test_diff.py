"""`hubel diff`, with the exit statuses of diff(1)."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Hubel


def test_networks_that_differ_are_status_1(hubel: Hubel) -> None:
    said = hubel("diff", "vgg16_1x1", "vgg16")
    assert said.status == 1
    assert "~ conv3_3  conv(256, 1) -> conv(256, 3, pad=1)" in said.out


def test_networks_that_do_not_differ_are_status_0(hubel: Hubel) -> None:
    said = hubel("diff", "vgg16", "vgg16(classes=1000)")
    assert said.status == 0
    assert "no layer differs" in said.out
    assert hubel("diff", "2 * relu", "relu >> relu", "--input", "4x4x1").status == 0


def test_json(hubel: Hubel) -> None:
    said = hubel("diff", "resnet50", "resnet50_v1_5", "--json")
    assert said.status == 1
    assert json.loads(said.out)["totals"]["difference"]["params"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["vgg16", "vgg61"],
        ["relu", "relu"],
        ["vgg16", "conv(1, 99)", "--input", "32x32x3"],
        ["vgg16", "relu >>"],
    ],
)
def test_an_error_is_status_2(hubel: Hubel, arguments: list[str]) -> None:
    said = hubel("diff", *arguments)
    assert said.status == 2
    assert said.err.startswith("error: ")
    assert not said.out
