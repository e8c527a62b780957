"""`hubel look MODEL attribution` as a person meets it, and what it draws."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.instruments.attribution import METHODS, Randomised
from hubel.report.instruments.attribution import checks_text, overlay, scale_of, shades
from tests.cli.conftest import Hubel


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image of another size than the network's."""
    path = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (14, 12, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("form", ["png", "svg"])
def test_every_method_draws(
    hubel: Hubel, model: Path, image: Path, tmp_path: Path, method: str, form: str
) -> None:
    out = tmp_path / f"map.{form}"
    said = hubel("look", model, "attribution", image, "--method", method, "-o", out, "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert found["method"] == method
    assert found["class"] in {"cat", "dog"}
    assert np.array(found["map"]).shape == (10, 10)
    assert out.stat().st_size > 1000
    if method == "integrated":
        assert found["sum"] == pytest.approx(np.sum(found["map"]), rel=1e-3)
        assert abs(found["rest"]) < 0.02
    if method == "occlusion":
        shape = (len(found["rows"]), len(found["columns"]))
        assert np.array(found["probabilities"]).shape == np.array(found["best"]).shape == shape
    if method == "gradcam":
        assert found["layer"] == "relu2"
        assert np.array(found["cells"]).shape == (2, 2)


def test_a_class_a_layer_a_square(hubel: Hubel, model: Path, image: Path) -> None:
    maps = {}
    for name in ("cat", "dog"):
        said = hubel("look", model, "attribution", image, "--class", name, "--layer", "relu1", "--json")
        found = json.loads(said.out)
        assert (found["class"], found["layer"]) == (name, "relu1")
        assert np.array(found["cells"]).shape == (8, 8)
        maps[name] = found["map"]
    assert maps["cat"] != maps["dog"]
    said = hubel("look", model, "attribution", image, "--method", "occlusion", "--square", 5, "--json")
    assert json.loads(said.out)["square"] == [5, 5]


def test_sanity_says_how_alike_the_maps_of_random_networks_are(
    hubel: Hubel, model: Path, image: Path
) -> None:
    said = hubel("look", model, "attribution", image, "--method", "gradient", "--sanity")
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["fc1", "conv2", "conv1"]
    asked = hubel("look", model, "attribution", image, "--method", "gradient", "--sanity", "--json")
    checks = json.loads(asked.out)["checks"]
    assert [each["random_down_to"] for each in checks] == ["fc1", "conv2", "conv1"]
    assert float(lines[3].split()[1]) == pytest.approx(checks[2]["correlation"], abs=1e-3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a file for the image"),
        (["--json", "--method", "gradcan"], "did you mean gradcam?"),
        (["--json", "--class", "cta"], "no class 'cta'; did you mean cat?"),
        (["--json", "--layer", "relu3"], "no layer 'relu3'"),
        (["--json", "--layer", "relu1", "--method", "occlusion"], "a layer is for gradcam"),
        (["--json", "--square", 3], "a square is for occlusion"),
        (["-o", "map.gif"], "an image is written as"),
    ],
)
def test_errors(hubel: Hubel, model: Path, image: Path, words: list[object], message: str) -> None:
    said = hubel("look", model, "attribution", image, *words)
    assert said.status == 2
    assert message in said.err


def test_what_speaks_for_a_class_is_red_and_what_speaks_against_it_blue() -> None:
    colours, opacity = shades(np.array([[-2.0, -0.5, 0.0, 1.0]]), 1.0, signed=True)
    assert opacity.tolist() == [[1, 0.5, 0, 1]]
    assert colours[0, 3, 0] > colours[0, 3, 2]
    assert colours[0, 0, 2] > colours[0, 0, 0]


def test_a_map_of_nothing_leaves_the_image_grey() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    drawn = overlay(pixels, np.zeros((6, 6)), 0.0, signed=True)
    assert (drawn == drawn[..., :1]).all()
    assert np.corrcoef(drawn[..., 0].ravel(), pixels.mean(-1).ravel())[0, 1] > 0.99
    assert scale_of(np.zeros((6, 6))) == 0


def test_one_bright_pixel_does_not_pale_the_rest() -> None:
    values = np.ones((40, 40))
    values[3, 3] = -1000
    assert scale_of(values) == 1


def test_checks_without_a_correlation() -> None:
    said = checks_text([Randomised("fc", -0.25), Randomised("conv1", float("nan"))])
    assert "-0.250" in said
    assert "constant map" in said
