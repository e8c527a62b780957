"""`hubel look MODEL filters`: an image, a table, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from hubel import build, parse
from hubel.cli.look.group import look
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import UsageError
from hubel.model.file import Model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model's file; its filter 3 is dead, its filter 1 the negative of filter 0."""
    path = tmp_path_factory.mktemp("look") / "model.safetensors"
    network = build(parse("conv(6, 3) >> relu >> conv(4, 3) >> fc(3)"), "8x8x3", scores=True)
    weight = network.get_parameter("conv1.weight").data
    weight[3], weight[1] = 0, -weight[0]
    Model(network, tuple("abc"), Preprocessing.of("8x8x3")).save(path)
    return str(path)


def said(*arguments: object) -> str:
    result = CliRunner().invoke(look, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_table_names_the_dead_and_the_twins(model: str) -> None:
    text = said(model, "filters")
    assert "conv1: 6 filters of 3x3x3 on input" in text
    assert "dead: 3; its weights are zero" in text
    assert "each other's negative, by cosine: 0 and 1 (-1.000)" in text


def test_json(model: str) -> None:
    content = json.loads(said(model, "filters", "--layer", "conv2", "--json"))
    assert content["shape"] == [4, 6, 3, 3]
    assert sum(each["energy"] for each in content["filters"]) == pytest.approx(1)


def test_deeper_filters_are_drawn_by_what_drives_them(model: str, tmp_path: Path) -> None:
    for at, colour in enumerate(("red", "lime", "blue", "white")):
        folder = tmp_path / "set" / "abc"[at % 3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(folder / f"{at}.png")
    out = tmp_path / "filters.png"
    arguments = ("filters", "--layer", "conv2", "--data", tmp_path / "set", "--maps", 3)
    assert said(model, *arguments, "-o", out) == f"wrote {out}\n"
    assert out.read_bytes().startswith(b"\x89PNG")
    told = json.loads(said(model, *arguments, "--json"))["filters"]
    assert sum("reads" in each for each in told) == 3
    reads = next(each["reads"] for each in told if "reads" in each)
    assert reads[0]["share"] >= reads[-1]["share"]
    assert reads[0]["unit"].startswith("relu1[")


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1"])
def test_writes_images(model: str, tmp_path: Path, suffix: str, start: bytes, layer: str) -> None:
    out = tmp_path / f"filters.{suffix}"
    assert said(model, "filters", "--layer", layer, "-o", out) == f"wrote {out}\n"
    assert out.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layer", "conw1"), "did you mean conv1"),
        (("--layer", "relu1"), "has no filters; those that have: conv1, conv2, fc1"),
        (("-o", "filters.gif"), "one of .svg, .png, .pdf"),
        (("--alike", "0"), "alike is a cosine"),
    ],
)
def test_errors(model: str, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        said(model, "filters", *arguments)
