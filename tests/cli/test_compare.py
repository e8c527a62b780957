"""`hubel compare`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Hubel

NET = "conv(6, 5) >> relu >> fc(10)"


def test_text(hubel: Hubel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    said = hubel("compare", "alexnet", "vgg16", "resnet50")
    assert said.status == 0
    assert said.out.splitlines()[0].split() == ["alexnet", "vgg16", "resnet50"]
    assert "138,357,544" in said.out


def test_networks_in_any_form_on_one_input(hubel: Hubel) -> None:
    said = hubel("compare", "resnet20", 'resnet20(shortcut="B")', NET, "--input", "32x32x3", "--json")
    data = json.loads(said.out)
    assert [each["network"] for each in data] == ["resnet20", 'resnet20(shortcut="B")', NET]
    assert [bool(each["published"]) for each in data] == [True, False, False]


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
def test_a_plot(hubel: Hubel, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"figure.{form}"
    said = hubel("compare", "alexnet", "vgg16", "--plot", path)
    assert said.status == 0
    assert f"drawn to {path}" in said.out
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["vgg16"], "two networks or more"),
        (["vgg16", "vgg166"], "did you mean vgg16?"),
        (["vgg16", NET], "add --input"),
        (["vgg16", "alexnet", "--plot", "x.jpg"], ".svg, .png, .pdf"),
        (["lenet5", "pattern", "--plot", "x.svg"], "nothing to plot"),
        (["vgg16", "alexnet", "--plot", "no/such/folder/x.svg"], "there is no folder"),
    ],
)
def test_what_cannot_be_compared(hubel: Hubel, arguments: list[str], said: str) -> None:
    found = hubel("compare", *arguments)
    assert found.status in (1, 2)
    assert said in found.err
