"""`hubel look MODEL ablate DATA`: text, JSON and an image, on scanned digits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.model.file import Model
from tests.cli.conftest import Hubel

NET = "conv(3, 3) >> relu >> maxpool(2) >> fc(10)"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    classes = tuple("0123456789")
    Model(build(parse(NET), "8x8x1"), classes, Preprocessing.of("8x8x1")).save(path)
    return path


def test_maps_are_silenced_one_by_one(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "ablate.png"
    said = hubel("look", model, "ablate", "digits", "--layer", "relu1", "--images", 60, "-o", out)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("60 images, ")
    assert "3 units silenced to their means over the images" in said.out
    assert out.read_bytes().startswith(b"\x89PNG")


def test_json_and_whole_layers(hubel: Hubel, model: Path) -> None:
    arguments = ("look", model, "ablate", "digits", "--images", 50, "--json")
    told = json.loads(hubel(*arguments, "--layer", "conv1", "--layer", "relu1[2]", "--to", "zero").out)
    assert [each["unit"] for each in told["units"]] == ["conv1[0]", "conv1[1]", "conv1[2]", "relu1[2]"]
    assert (told["level"], told["images"], len(told["recall"])) == ("zero", 50, 10)
    # of a ReLU nothing is left at zero whether it is silenced before or behind it
    assert told["units"][2]["drop"] == told["units"][3]["drop"]
    whole = json.loads(hubel(*arguments, "--layer", "conv1", "--whole").out)
    assert [each["unit"] for each in whole["units"]] == ["conv1"]
    last = json.loads(hubel(*arguments).out)["units"]
    assert [each["unit"] for each in last] == ["relu1[0]", "relu1[1]", "relu1[2]"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["digits", "--to", "one"], 2, "to is one of mean, zero"),
        (["digits", "--layer", "relu1[3]"], 2, "its maps are 0 to 2"),
        (["digits", "--images", "0"], 2, "images is at least 1"),
        (["digits", "--split", "tset"], 2, "did you mean test"),
        (["digits", "--split", "test"], 1, "has no test split"),
        (["digit"], 1, "did you mean digits"),
    ],
)
def test_errors(hubel: Hubel, model: Path, arguments: list[str], status: int, message: str) -> None:
    said = hubel("look", model, "ablate", *arguments)
    assert (said.status, said.out) == (status, "")
    assert message in said.err
