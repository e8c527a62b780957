"""`hubel data preview`: the image it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.data.sources import open_data
from hubel.model.file import Model
from hubel.training.run import auto
from tests.cli.conftest import Hubel


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for label, colour in (("cat", "red"), ("dog", "blue")):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (40, 20 + number), colour).save(tmp_path / "set" / label / f"{number}.png")
    return tmp_path / "set"


def height(path: Path) -> int:
    with Image.open(path) as image:
        assert image.format == "PNG"
        colours = {colour for _, colour in image.getcolors(1 << 24) or []}
        assert {(255, 0, 0), (0, 0, 255)} <= colours
        return image.height


def test_a_row_for_each_image_up_to_the_number_asked(hubel: Hubel, root: Path, tmp_path: Path) -> None:
    heights = []
    for each in (1, 2, 9):
        out = tmp_path / f"{each}.png"
        said = hubel("data", "preview", root, "--net", "lenet5", "--each", each, "-o", out)
        cut = "the centre crop shows 52 % of an image on average; --fit pad keeps all of it\n"
        assert (said.status, said.out, said.err) == (0, f"wrote {out}\n{cut}", "")
        heights.append(height(out))
    assert heights[1] - heights[0] == heights[2] - heights[1] > 200
    again = tmp_path / "again.png"
    hubel("data", "preview", root, "--net", "lenet5", "--each", 2, "-o", again)
    assert again.read_bytes() == (tmp_path / "2.png").read_bytes()


@pytest.mark.parametrize("fit", ["pad", "squash"])
def test_another_input_and_fit(hubel: Hubel, root: Path, tmp_path: Path, fit: str) -> None:
    out = tmp_path / "a.png"
    said = hubel("data", "preview", root, "--net", "fc(2)", "--input", "24x16x3", "--fit", fit, "-o", out)
    assert said.status == 0
    assert height(out) > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.jpg"], ".png"),
        (["--fit", "pat"], "did you mean pad?"),
        (["--each", "0"], "each is at least 1"),
        (["--seed", "-1"], "seed is at least 0"),
        (["--recipe", "fasd"], "did you mean fast?"),
    ],
)
def test_refuses(hubel: Hubel, root: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    out = tmp_path / "a.png"
    said = hubel("data", "preview", root, "--net", "lenet5", "-o", out, *arguments)
    assert said.status == 2
    assert message in said.err
    assert not out.exists()


def test_a_recipe_shows_its_own_variants(hubel: Hubel, root: Path, tmp_path: Path) -> None:
    """`lenet` leaves images as they are, `googlenet` changes colours; `fast` has a recipe of its own."""
    drawn = {}
    for net, recipe in (("fc(2)", "lenet"), ("fc(2)", "googlenet"), ("fast", ""), ("fast", "fast")):
        out = tmp_path / f"{net}-{recipe}.png"
        asked = ["--recipe", recipe] if recipe else []
        said = hubel("data", "preview", root, "--net", net, "--input", "32x32x3", *asked, "-o", out)
        assert said.status == 0
        drawn[net, recipe] = out.read_bytes()
    assert drawn["fc(2)", "lenet"] != drawn["fc(2)", "googlenet"]
    assert drawn["fast", ""] == drawn["fast", "fast"]


def test_what_is_cut_out_has_the_mean_colour_of_the_whole_set(
    hubel: Hubel, root: Path, tmp_path: Path
) -> None:
    """Of three red images and a blue one; a red one and the blue one are shown."""
    for number in (1, 2):
        (root / "dog" / f"{number}.png").unlink()
    recipe, out = tmp_path / "recipe.toml", tmp_path / "seen.png"
    recipe.write_text("[augmentation]\ncutout = 8\n")
    asked = ("--net", "fc(2)", "--input", "16x16x3", "--recipe", recipe, "--each", "1", "-o", out)
    assert hubel("data", "preview", root, *asked).status == 0
    with Image.open(out) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24) or []}
    assert (round(255 * 3 / 4), 0, round(255 / 4)) in colours
    assert (128, 0, 128) not in colours


def test_a_saved_model_shows_its_own_way_to_see(hubel: Hubel, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    network = build(parse("fc(2)"), "16x16x3", scores=True)
    Model(network, ("cat", "dog"), Preprocessing.of("16x16x3", fit="pad")).save(path)
    drawn = {}
    for name, arguments in {
        "own": (path,),
        "pad": ("fc(2)", "--input", "16x16x3", "--fit", "pad", "--recipe", "finetune"),
        "asked": (path, "--fit", "squash"),
        "squash": ("fc(2)", "--input", "16x16x3", "--fit", "squash", "--recipe", "finetune"),
    }.items():
        out = tmp_path / f"{name}.png"
        assert hubel("data", "preview", root, "-o", out, "--net", *arguments).status == 0
        drawn[name] = out.read_bytes()
    assert drawn["own"] == drawn["pad"] != drawn["asked"] == drawn["squash"]


def test_without_a_network_it_shows_what_a_run_would_do(
    hubel: Hubel, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size a network is trained at depends on the time there is."""
    seen = []
    for speed in (1e-3, 1e9):
        monkeypatch.setattr(auto, "images_per_second", lambda _, speed=speed: speed)
        for folder in root.iterdir():
            for path in folder.iterdir():
                Image.new("RGB", (240, 230), (folder.name == "cat" and "red") or "blue").save(path)
        out = tmp_path / f"{speed}.png"
        said = hubel("data", "preview", root, "--time", "60s", "--from", "none", "-o", out)
        chosen = auto.choose(open_data(root, val=0), start="none", seconds=60).candidate
        assert f"{chosen.name} would be trained at {chosen.volume}\n" in said.out
        assert "crop shows" not in said.out
        seen.append(chosen.volume)
    assert seen[0] != seen[1]


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (33, 50), (30, 30)])
@pytest.mark.parametrize("resize", [None, 25])
def test_what_a_crop_keeps_is_what_is_left_of_the_image(size: tuple[int, int], resize: int | None) -> None:
    """Rows and columns whose only white pixels are seen by the network."""
    way = Preprocessing.of("20x20x1", resize=resize)
    left = [0, 0]
    for axis in (0, 1):
        for place in range(size[axis]):
            pixels = np.zeros(size, np.uint8)
            pixels[(place, slice(None)) if axis == 0 else (slice(None), place)] = 255
            left[axis] += bool(way.pixels(Image.fromarray(pixels)).max() > 60)
    assert way.kept(*size) == pytest.approx(left[0] / size[0] * left[1] / size[1], abs=0.1)
    assert way.fitting("pad").kept(*size) == 1
