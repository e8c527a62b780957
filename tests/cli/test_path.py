"""The straight way through: train on folders of images, measure, predict, resume; and every bad input."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Hubel

NET = "conv(8, 3, pad=1) >> batchnorm >> relu >> maxpool(2) >> globalavgpool >> fc(3)"
COLOURS = {"red": 0, "green": 1, "blue": 2}


def draw(path: Path, channel: int, seed: int) -> None:
    """An image of noise in which one colour is strong."""
    pixels = np.random.default_rng(seed).integers(0, 100, (20, 24, 3))
    pixels[..., channel] += 120
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat folder of 3 classes with 20 images each."""
    root = tmp_path_factory.mktemp("photos")
    for name, channel in COLOURS.items():
        for number in range(20):
            draw(root / name / f"{number}.png", channel, 100 * channel + number)
    return root


@pytest.fixture
def run(hubel: Hubel, photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    said = hubel("train", photos, "--net", NET, "--input", "16x16x3", "--epochs", 8, "--out", folder)
    assert said.status == 0, said.err
    return folder


def test_from_photos_to_answers(hubel: Hubel, run: Path, photos: Path, tmp_path: Path) -> None:
    names = {"best.safetensors", "config.toml", "errors.csv", "last", "metrics.jsonl", "report.html"}
    assert {path.name for path in run.iterdir()} == names
    model = run / "best.safetensors"

    measured = json.loads(hubel("val", model, photos, "--json").out)
    assert measured["split"] == "val", "the images that were held out in training"
    assert measured["images"] == 12
    best = max(json.loads(line)["val_top1"] for line in (run / "metrics.jsonl").read_text().splitlines())
    assert measured["top1"] == best
    assert measured["top1"] > 0.9

    image = tmp_path / "new.png"
    draw(image, COLOURS["green"], 999)
    said = hubel("predict", model, image, "--json", "--top", 2)
    [answer] = json.loads(said.out)
    assert answer["file"] == str(image)
    assert answer["classes"][0]["name"] == "green"
    assert len(answer["classes"]) == 2
    chances = [each["probability"] for each in answer["classes"]]
    assert chances == sorted(chances, reverse=True)
    assert "green" in hubel("predict", model, image).out.splitlines()[1]

    table = hubel("table", model, "--format", "json")
    assert json.loads(table.out)["network"] == NET


def test_other_data_are_measured_whole(hubel: Hubel, run: Path, tmp_path: Path) -> None:
    for number in range(5):
        draw(tmp_path / "new" / "blue" / f"{number}.png", 2, 1000 + number)
        draw(tmp_path / "new" / "red" / f"{number}.png", 0, 2000 + number)
    measured = json.loads(hubel("val", run / "best.safetensors", tmp_path / "new", "--json").out)
    assert measured["split"] == "all"
    assert measured["images"] == 10
    green = measured["classes"]["green"]
    assert (green["correct"], green["images"], green["recall"], green["recall_interval"]) == (
        0,
        0,
        None,
        None,
    )
    assert measured["top1"] > 0.9
    draw(tmp_path / "new" / "mauve" / "1.png", 1, 1)
    said = hubel("val", run / "best.safetensors", tmp_path / "new")
    assert said.status == 1
    assert "class 'mauve' is not of the model, whose classes are blue, green, red" in said.err


def test_the_config_reruns_the_run(hubel: Hubel, run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert hubel("train", "--config", run / "config.toml", "--out", again).status == 0
    first, second = (
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (run, again)
    )
    assert [line["val_loss"] for line in first] == [line["val_loss"] for line in second]


def test_a_finished_run_resumes_to_nothing_new(hubel: Hubel, run: Path) -> None:
    before = (run / "best.safetensors").read_bytes()
    assert hubel("train", "--resume", run).status == 0
    assert (run / "best.safetensors").read_bytes() == before


def test_a_run_is_never_written_over(hubel: Hubel, run: Path, photos: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = hubel("train", photos, "--net", NET, "--input", "16x16x3", "--out", run)
    assert said.status == 2
    assert "is not empty" in said.err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_what_a_config_says_comes_from_anywhere_and_goes_by_one_count(
    hubel: Hubel, run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path of the images becomes whole, so that what was held out is known again."""
    monkeypatch.chdir(photos.parent)
    text = (run / "config.toml").read_text().replace(str(photos), photos.name)
    (tmp_path / "mine.toml").write_text(text)
    assert hubel("train", "--config", tmp_path / "mine.toml", "--epochs", 1, "--out", "again").status == 0
    assert f'data = "{photos}"' in Path("again/config.toml").read_text()
    (tmp_path / "timed.toml").write_text(text.replace("seconds = 0.0", "seconds = 9.0"))
    refused = hubel("train", "--config", tmp_path / "timed.toml", "--epochs", 1)
    assert "by the clock or by epochs" in refused.err
    occupied = hubel("train", photos, "--net", NET, "--epochs", 1, "--out", "again")
    assert "is not empty, and a run is never overwritten" in occupied.err
    assert "classes" not in occupied.err, "nothing is read before"
    taken = hubel("train", photos, "--net", NET, "--epochs", 1, "--out", tmp_path / "mine.toml")
    assert taken.err.endswith("mine.toml is a file; name a folder for the run\n")


def test_images_for_validation_leave_no_share_to_hold_out(hubel: Hubel, photos: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        shutil.copytree(photos, tmp_path / "set" / split)
    refused = hubel("train", tmp_path / "set", "--val", 0.3)
    assert (refused.status, "of which --val takes no share" in refused.err) == (2, True)


def test_one_bad_file_among_good_ones(hubel: Hubel, run: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.jpg"
    draw(good, 0, 5)
    bad.write_bytes(b"\xff\xd8\xff\xe0 cut short")
    said = hubel("predict", run / "best.safetensors", bad, good, "--json")
    assert said.status == 1
    first, second = json.loads(said.out)
    assert first.keys() == {"file", "error"}
    assert first["file"] == str(bad)
    assert second["classes"][0]["name"] == "red"


def _emptied(root: Path) -> Path:
    (root / "void").mkdir()
    return root


def _single(root: Path) -> Path:
    for name in ("green", "blue"):
        for path in (root / name).iterdir():
            path.unlink()
        (root / name).rmdir()
    return root


def _truncated(root: Path) -> Path:
    content = (root / "red" / "0.png").read_bytes()
    (root / "red" / "truncated.png").write_bytes(content[: len(content) // 2])
    return root


def _foreign(root: Path) -> Path:
    (root / "red" / "notes.txt").write_text("not an image")
    return root


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing folder": (lambda root: root / "none", "no such folder"),
    "empty class": (_emptied, "empty"),
    "one class": (_single, "one class"),
    "truncated image": (_truncated, "truncated.png"),
    "wrong file type": (_foreign, "notes.txt"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data(hubel: Hubel, tmp_path: Path, case: str) -> None:
    for name, channel in COLOURS.items():
        for number in range(5):
            draw(tmp_path / "data" / name / f"{number}.png", channel, number)
    spoil, message = BAD[case]
    data = spoil(tmp_path / "data")
    out = tmp_path / "run"
    said = hubel("train", data, "--net", NET, "--input", "16x16x3", "--out", out)
    assert said.status == 1
    assert message in said.err
    assert "Traceback" not in said.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--lr", "1e30"], 1, "the loss is"),
        (["--net", "conv(8, 3) >> fc(7)"], 1, "has 3 classes"),
        (["--net", "conv(8, 99) >> fc(3)"], 1, "conv1 does not fit"),
        (["--epochs", "0"], 2, "epochs is at least 1"),
        (["--net", "vgg61"], 1, "did you mean vgg"),
        (["--resume", "x"], 2, "a resumed run keeps its settings"),
    ],
)
def test_bad_wishes(
    hubel: Hubel, photos: Path, tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    out = tmp_path / "run"
    given = ["--net", NET, "--input", "16x16x3", "--out", out, *arguments]
    said = hubel("train", photos, *given)
    assert message in said.err
    assert said.status == status
    assert "Traceback" not in said.err
    assert not out.exists()


def test_images_that_came_after_the_training_are_measured_with_those_held_out(
    hubel: Hubel, photos: Path, tmp_path: Path
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(photos, data)
    trained = hubel("train", data, "--net", NET, "--input", "16x16x3", "--epochs", 1, "--out", run)
    assert trained.status == 0, trained.err
    draw(data / "red" / "new.png", 0, 4711)
    before = json.loads(hubel("val", run / "best.safetensors", photos, "--json").out)
    said = hubel("val", run / "best.safetensors", data, "--json")
    after = json.loads(said.out)
    assert (before["split"], after["split"]) == ("val", "new")
    assert after["images"] == before["images"] + 1
    assert (before["trained_on"], after["trained_on"]) == (
        0,
        len(list(photos.rglob("*.png"))) - before["images"],
    )
    assert "left out: " in said.err
    assert "on which the model was trained" in said.err
    again = ["--from", run / "best.safetensors", "--seed", 5, "--epochs", 1, "--out", tmp_path / "again"]
    assert "results are too good; hold out the same" in hubel("train", photos, *again).err
    assert hubel("val", run / "best.safetensors", data, "--split", "test").status == 1


def test_a_folder_called_like_a_set_is_not_the_set(
    hubel: Hubel, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`digits` is scikit-learn's, in training and ever after; the folder is `./digits`."""
    shutil.copytree(photos, tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    hubel("train", "./digits", "--net", NET, "--input", "16x16x3", "--epochs", 1, "--out", run)
    assert json.loads(hubel("val", run / "best.safetensors", "./digits", "--json").out)["split"] == "val"
    assert "class '0' is not of the model" in hubel("val", run / "best.safetensors", "digits").err


def test_a_place_that_cannot_be_written(hubel: Hubel) -> None:
    said = hubel("draw", "lenet5", "-o", "/proc/lenet5.svg")
    assert said.status == 1
    assert said.err.startswith("error: /proc")


def test_a_run_that_fails_leaves_the_folder_it_was_given(hubel: Hubel, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    said = hubel("train", photos, "--net", NET, "--input", "16x16x3", "--out", out, "--lr", "1e30")
    assert said.status == 1
    assert list(out.iterdir()) == []


def test_bad_images_on_either_side_are_named_together(hubel: Hubel, photos: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    shutil.copytree(photos, data)
    files = sorted(data.rglob("*.png"))
    for file in files[::3]:
        file.write_bytes(file.read_bytes()[:60])
    said = hubel("train", data, "--net", NET, "--input", "16x16x3", "--epochs", 1, "--out", out)
    assert said.status == 1
    assert f"{len(files[::3])} of {len(files)} images cannot be used" in said.err
    assert not out.exists()


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(
    hubel: Hubel, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    report = "hubel.tasks.follow.run_page"

    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", str(out / "report.html"))

    with monkeypatch.context() as patch:
        patch.setattr(report, full)
        given = ["--net", NET, "--input", "16x16x3", "--epochs", 1, "--out", out]
        said = hubel("train", photos, *given)
    assert said.status == 1
    assert f"{out / 'report.html'}: No space left on device" in said.err
    assert f"resume with  hubel resume {out}" in said.err + said.out
    assert hubel("train", "--resume", out).status == 0
    assert (out / "report.html").exists()
