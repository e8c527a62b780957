"""`hubel look MODEL synthesise` as a person meets it, and what it draws."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.instruments.synthesise import Synthesis
from hubel.instruments.unit import Unit
from hubel.net.field import Box
from hubel.report.instruments.synthesise import course, synthesis_figure
from tests.cli.conftest import Hubel


def test_maps_a_unit_and_classes(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "made.png"
    words = ["conv2[3]", "conv2[1,0,1]", "relu1", "--maps", 2, "--class", "all", "--steps", 3, "-o", out]
    said = hubel("look", model, "synthesise", *words, "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert [each["unit"] for each in found] == [
        "conv2[3]",
        "conv2[1,0,1]",
        "relu1[0]",
        "relu1[1]",
        "fc1[0]",
        "fc1[1]",
    ]
    assert all(len(each["history"]) == 3 for each in found)
    with Image.open(out) as image:
        assert image.width > 300
    again = hubel("look", model, "synthesise", *words, "--json")
    assert again.out == said.out
    other = hubel("look", model, "synthesise", *words, "--json", "--seed", 1)
    assert other.out != said.out


def test_the_colours_of_a_set(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            pixels = generator.integers(0, 256, (10, 10, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    plain = hubel("look", model, "synthesise", "--class", "cat", "--steps", 3, "--json")
    said = hubel(
        "look", model, "synthesise", "--class", "cat", "--steps", 3, "--json", "--colours", tmp_path / "data"
    )
    assert said.status == 0, said.err
    assert json.loads(said.out)[0]["score"] != json.loads(plain.out)[0]["score"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["conv1[0]"], "name a file for the image"),
        (["conv1[0]", "-o", "unit.jpg"], "written as one of .png"),
        (["--json"], "name what to excite"),
        (["conv3[0]", "--json"], "no layer 'conv3'"),
        (["--class", "cats", "--json"], "no class 'cats'; did you mean cat?"),
        (["conv1", "--maps", 0, "--json"], "maps is at least 1"),
        (["conv1", "--steps", 0, "--json"], "steps is at least 1"),
    ],
)
def test_errors(hubel: Hubel, model: Path, words: list[object], message: str) -> None:
    said = hubel("look", model, "synthesise", *words)
    assert said.status == 2
    assert message in said.err


def test_the_course_of_a_climb() -> None:
    rising = course(np.linspace(-1, 3, 50, dtype=np.float32), 32)
    assert rising.shape == (32, 32, 3)
    blue = np.argwhere((rising == (47, 111, 176)).all(-1))
    first, last = blue[blue[:, 1] == 0, 0], blue[blue[:, 1] == 31, 0]
    assert first.min() > last.max()  # from the bottom on the left to the top on the right
    flat = course(np.full(5, 2, np.float32), 32)
    assert (flat == (47, 111, 176)).all(-1).any(0).all()


def test_the_image_is_drawn_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    made = Synthesis(Unit("c", 1), pixels, np.arange(4, dtype=np.float32), 0.0, 3.0)
    drawn = np.array(Image.open(io.BytesIO(synthesis_figure([made], side=64))).convert("RGB"))
    large = pixels.repeat(8, 0).repeat(8, 1)
    windows = np.lib.stride_tricks.sliding_window_view(drawn, large.shape)[:, :, 0]
    assert (windows == large).all((2, 3, 4)).sum() == 1
    single = Synthesis(Unit("c", 1, 2, 3), pixels, made.history, 0.0, 3.0)
    framed = synthesis_figure([single], boxes={single.unit: Box(2, 2, 5, 5)})
    assert framed != synthesis_figure([single])
