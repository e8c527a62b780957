"""`hubel look MODEL embedding` as a person meets it, and what it draws."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.report.instruments.embedding import map_figure, palette
from tests.cli.conftest import Hubel


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of two classes, eight images each."""
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(8):
            pixels = generator.integers(0, 256, (10, 10, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"


def test_a_plane_and_its_places(hubel: Hubel, model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "plane.png"
    said = hubel("look", model, "embedding", data, "--images", 12, "-o", out, "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert len(found) == 12
    assert {each["class"] for each in found} == {"cat", "dog"}
    for each in found:
        assert Path(each["file"]).is_file()
        assert Path(each["file"]).parent.name == each["class"]
        assert 0 <= each["x"] <= 1
        assert 0 <= each["y"] <= 1
    with Image.open(out) as image:
        assert image.width > 1000


def test_the_nearest_to_an_image_is_its_copy_but_never_itself(
    hubel: Hubel, model: Path, data: Path, tmp_path: Path
) -> None:
    out, inside, asked = tmp_path / "near.png", data / "dog" / "3.png", tmp_path / "copy.png"
    asked.write_bytes(inside.read_bytes())
    said = hubel("look", model, "embedding", data, "--near", asked, "--top", 4, "-o", out, "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert len(found) == 4
    assert found[0] == {"file": str(inside), "class": "dog", "cosine": pytest.approx(1, abs=1e-5)}
    cosines = [each["cosine"] for each in found]
    assert cosines == sorted(cosines, reverse=True)
    assert out.is_file()
    others = json.loads(hubel("look", model, "embedding", data, "--near", inside, "--top", 3, "--json").out)
    assert others == found[1:]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a file for the image"),
        (["-o", "plane.jpg"], "written as one of .png"),
        (["--json", "--images", 0], "images is at least 1"),
        (["--json", "--images", 3], "at least 5 images"),
        (["--json", "--method", "tsn"], "did you mean tsne?"),
        (["--json", "--split", "tset"], "no split 'tset'"),
    ],
)
def test_errors(hubel: Hubel, model: Path, data: Path, words: list[object], message: str) -> None:
    said = hubel("look", model, "embedding", data, *words)
    assert said.status == 2
    assert message in said.err


def test_thumbnails_lie_where_their_points_are() -> None:
    points = np.array([[0, 0], [1, 1], [0.001, 0.0]], np.float32)
    shades = (40, 200, 90)
    thumbs = np.stack([np.full((8, 8, 1), shade, np.uint8) for shade in shades])
    drawn = map_figure(points, thumbs, np.array([0, 1, 0]), ("a", "b"), side=200)
    pixels = np.array(Image.open(io.BytesIO(drawn)).convert("RGB"))
    there = {shade: np.argwhere((pixels == shade).all(-1)) for shade in shades}
    assert len(there[200]) == 32 * 32  # eight pixels, enlarged four times
    one = 40 if len(there[40]) == 32 * 32 else 90
    assert len(there[one]) == 32 * 32
    assert len(there[130 - one]) == 0  # the third lies on the first
    assert there[one].mean(0) - there[200].mean(0) == pytest.approx([200, -200], abs=2)


@pytest.mark.parametrize("count", [1, 10, 20, 45])
def test_colours_differ(count: int) -> None:
    assert len(set(palette(count))) == count
