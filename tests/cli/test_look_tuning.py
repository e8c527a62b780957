"""`hubel look MODEL tuning` and `topography`: images, text and JSON of a small trained-like model."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.model.file import Model
from tests.cli.conftest import Hubel

NET = "conv(4, 5) >> relu >> maxpool(2) >> conv(6, 3) >> relu >> fc(3)"
QUICK = ("--orientations", 6, "--frequencies", 3, "--phases", 4)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    preprocessing = Preprocessing(16, 14, 3, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    path = tmp_path / "model.safetensors"
    Model(build(parse(NET), "16x14x3"), ("a", "b", "c"), preprocessing).save(path)
    return path


def test_tuning_draws_and_tells(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuning.png"
    said = hubel("look", model, "tuning", *QUICK, "-o", out)
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("72 grey gratings of contrast 1, 6 orientations x 3 frequencies x 4 phases")
    assert [line.split()[0] for line in lines[1:]] == ["layer", "relu1", "relu2", "fc1", "wrote"]
    pixels = np.asarray(Image.open(io.BytesIO(out.read_bytes())).convert("RGB"))
    assert pixels.shape[1] == 1800
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_tuning_as_json(hubel: Hubel, model: Path) -> None:
    said = hubel("look", model, "tuning", *QUICK, "--layer", "conv2[3]", "--colour", "red-green", "--json")
    told = json.loads(said.out)
    assert told["gratings"]["colour"] == "red-green"
    assert len(told["gratings"]["frequencies_cycles_per_pixel"]) == 3
    (layer,) = told["layers"]
    assert [unit["unit"] for unit in layer["tuning"]] == ["conv2[3,2,1]"]
    assert layer["tuning"][0]["kind"] in ("simple", "complex", "silent")
    assert len(layer["tuning"][0]["curve"]) == 6


def test_topography_draws_and_tells(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "topography.png"
    said = hubel("look", model, "topography", "--layer", "relu1", "--layer", "relu2", "-o", out, "--spot", 2)
    assert said.err == ""
    assert said.out.startswith("relu1: 12 x 10 positions, the response is ")
    assert said.out.count(" 0 responses from outside their boxes") == 2
    assert out.read_bytes().startswith(b"\x89PNG")
    told = json.loads(hubel("look", model, "topography", "--json").out)
    assert [each["path"] for each in told] == ["relu1", "relu2"]
    assert told[0]["columns"]["boxes"][:2] == [[0, 4], [1, 5]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tuning", "--layer", "relu3"], "did you mean relu"),
        (["tuning", "--colour", "grey-ish"], "did you mean grey"),
        (["tuning", "--phases", "2"], "phases are at least 4"),
        (["tuning", "-o", "x.jpg"], "written as one of .png"),
        (["topography", "--spot", "15"], "a spot is 1 to 14 pixels"),
    ],
)
def test_errors(hubel: Hubel, model: Path, arguments: list[str], message: str) -> None:
    said = hubel("look", model, *arguments)
    assert (said.status, said.out) == (2, "")
    assert message in said.err
