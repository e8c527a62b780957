"""`hubel look MODEL deconv IMAGE|DATA` as a person meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Hubel


def test_units_of_an_image(hubel: Hubel, model: Path, data: Path, tmp_path: Path) -> None:
    out, image = tmp_path / "units.png", data / "cat" / "0.png"
    said = hubel("look", model, "deconv", image, "--unit", "relu2[1]", "--unit", "relu1[0,3,4]", "-o", out)
    assert said.status == 0, said.err
    with Image.open(out) as drawn:
        two = drawn.size
    said = hubel("look", model, "deconv", image, "--layer", "relu2", "--maps", 4, "-o", out)
    assert said.status == 0, said.err
    with Image.open(out) as drawn:
        assert drawn.width == two[0]
        assert drawn.height > 1.8 * two[1]


def test_patches_beside_their_projections(hubel: Hubel, model: Path, data: Path, tmp_path: Path) -> None:
    out, plain = tmp_path / "both.png", tmp_path / "patches.png"
    for words in (["deconv", data, "-o", out, "--rule", "guided"], ["patches", data, "-o", plain]):
        said = hubel("look", model, *words, "--unit", "relu1[1]", "--top", 4)
        assert said.status == 0, said.err
    with Image.open(out) as both, Image.open(plain) as alone:
        assert both.height == alone.height
        assert both.width > alone.width


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rule", "decnv"], "no rule 'decnv'; did you mean deconv?"),
        (["--unit", "relu1[1,2,3]"], "relu1[1,2,3] is no map; write relu1[1]"),
        (["-o", "out.jpg"], "written as one of .png"),
        (["--maps", 0], "maps is at least 1"),
    ],
)
def test_errors(
    hubel: Hubel, model: Path, data: Path, tmp_path: Path, words: list[object], message: str
) -> None:
    said = hubel("look", model, "deconv", data, "-o", tmp_path / "out.png", *words)
    assert said.status == 2
    assert message in said.err


def test_an_image_takes_no_rule(hubel: Hubel, model: Path, data: Path, tmp_path: Path) -> None:
    said = hubel(
        "look", model, "deconv", data / "dog" / "1.png", "-o", tmp_path / "o.png", "--rule", "deconv"
    )
    assert said.status == 2
    assert "an image is drawn by all three rules" in said.err
