"""`hubel look MODEL atlas` as a person meets it: written, stopped, resumed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel import build, conv, fc, maxpool, relu
from hubel.data.image.preprocess import Preprocessing
from hubel.instruments.atlas import Atlas, Census
from hubel.instruments.stream import BATCH
from hubel.model.file import Model
from hubel.tasks.look import atlas
from tests.cli.conftest import Hubel

NET = conv(4, 3) >> relu >> maxpool(2) >> conv(5, 3) >> relu >> fc(2)
EACH = 2 * BATCH


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small untrained model's file."""
    path = tmp_path / "model.safetensors"
    Model(build(NET, "10x10x1", seed=1), ("고양이", "개"), Preprocessing.of("10x10x1")).save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of two classes, four batches of grey images."""
    generator = np.random.default_rng(0)
    for name in ("개", "고양이"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(EACH):
            pixels = generator.integers(0, 256, (10, 10), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"


def test_a_page_of_all_units(hubel: Hubel, model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "atlas.html"
    said = hubel("look", model, "atlas", "--data", data, "-o", out, "--units", 3, "--top", 2)
    assert said.status == 0, said.err
    assert said.out.startswith(f"wrote {out}, ")
    text = out.read_text("utf-8")
    found = [json.loads(each) for each in re.findall(r'id="data-\d+">(.*?)</script>', text)]
    assert [layer["path"] for layer in found] == ["relu1", "relu2", "fc1"]
    assert [len(layer["units"]) for layer in found] == [3, 3, 2]
    assert all(len(unit["patches"]) <= 2 for layer in found for unit in layer["units"])
    assert {patch[0].split("/")[0] for unit in found[2]["units"] for patch in unit["patches"]} <= {
        "개",
        "고양이",
    }
    assert f"{2 * EACH} images of data" in text
    assert not out.with_name("atlas.html.parts").exists()


class Killed(BaseException):
    """What nothing catches, as a process that is killed."""


@pytest.mark.parametrize("how", [Killed, KeyboardInterrupt])
@pytest.mark.parametrize(("where", "calls"), [("images", 3), ("units", 2)])
def test_what_was_stopped_ends_as_what_was_not(
    hubel: Hubel,
    model: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: type[BaseException],
    where: str,
    calls: int,
) -> None:
    monkeypatch.setattr(atlas, "EVERY_SECONDS", 0.0)
    whole, parted = tmp_path / "whole.html", tmp_path / "parted.html"
    assert hubel("look", model, "atlas", "--data", data, "-o", whole).status == 0
    left = calls

    def stopping(*given: object) -> object:
        nonlocal left
        left -= 1
        if not left:
            raise how
        return real(*given)

    owner, name = (Census, "take") if where == "images" else (Atlas, "units")
    real = getattr(owner, name)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stopping)
        if how is KeyboardInterrupt:
            said = hubel("look", model, "atlas", "--data", data, "-o", parted)
            assert said.status == 130
            assert (
                f"stopped; run the same command again to resume; finished parts are in {parted}.parts"
                in said.err
            )
        else:
            with pytest.raises(Killed):
                hubel("look", model, "atlas", "--data", data, "-o", parted)
    assert not parted.exists()
    said = hubel("look", model, "atlas", "--data", data, "-o", parted)
    assert said.status == 0, said.err
    done, layers = (2 * BATCH, 0) if where == "images" else (2 * EACH, 1)
    assert f"resuming after {done} of {2 * EACH} images and {layers} layers" in said.err
    assert parted.read_bytes() == whole.read_bytes()
    assert not Path(f"{parted}.parts").exists()


def test_other_settings_start_again(
    hubel: Hubel, model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "atlas.html"

    def stop(*_given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Atlas, "units", stop)
        assert hubel("look", model, "atlas", "--data", data, "-o", out).status == 130
    said = hubel("look", model, "atlas", "--data", data, "-o", out, "--top", 3)
    assert said.status == 0, said.err
    assert "was of another model, data set or settings; starting again" in said.err
    assert "resuming" not in said.err


def test_a_folder_of_someone_else_is_left_alone(
    hubel: Hubel, model: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "atlas.html.parts"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    said = hubel("look", model, "atlas", "--data", data, "-o", tmp_path / "atlas.html")
    assert said.status == 2
    assert "was not made by an atlas" in said.err
    assert (folder / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--units", 0], "units is at least 1, not 0"),
        (["--top", 0], "top is at least 1"),
        (["--split", "tset"], "no split 'tset'; did you mean test?"),
    ],
)
def test_errors(
    hubel: Hubel, model: Path, data: Path, tmp_path: Path, words: list[object], message: str
) -> None:
    out = tmp_path / "atlas.html"
    said = hubel("look", model, "atlas", "--data", data, "-o", out, *words)
    assert said.status == 2
    assert message in said.err
    assert not Path(f"{out}.parts").exists()
