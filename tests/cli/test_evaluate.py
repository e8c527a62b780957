"""`hubel evaluate` and `hubel predict` on scanned digits, with a model that was never trained."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.data.sources import open_data
from hubel.model.file import Model, load
from hubel.module.own import OwnNetwork
from tests.cli.conftest import Hubel

pytest.importorskip("sklearn")

NET = "conv(3, 3) >> relu >> fc(10)"
DIGITS = tuple("0123456789")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    network = build(parse(NET), "8x8x1", scores=True)
    Model(network, DIGITS, Preprocessing.of("8x8x1"), temperature=0.5, views="mirror-shift").save(path)
    return path


def test_evaluate_prints_the_numbers_and_a_line_per_class(hubel: Hubel, model: Path) -> None:
    said = hubel("evaluate", model, "digits")
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("all: 1,797 images, ")
    assert "loss" in lines[0]
    for line, words in zip(lines[1:3], ("top-1", "top-5"), strict=True):
        assert line.startswith(words)
        assert "of 1,797; 95 % interval " in line
    assert lines[1].endswith("; chance is 10.18 %, the largest class")  # 183 threes of 1,797 digits
    assert lines[3].startswith("macro-F1 ")
    assert lines[3].endswith(" before temperature 0.5")
    assert [line.split()[-1] for line in lines[5:]] == list(DIGITS)


def test_evaluate_and_predict_agree(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    """The same loss, by hand, from the predictions of the same images."""
    digits = open_data("digits", val=0).train
    folder = tmp_path / "few"
    for number in range(6):
        place = folder / str(digits.labels[number])
        place.mkdir(parents=True, exist_ok=True)
        digits.image(number).save(place / f"{number}.png")
    told = json.loads(hubel("evaluate", model, folder, "--json").out)
    files = sorted(folder.glob("*/*.png"))
    answers = json.loads(hubel("predict", model, *files, "--top", 10, "--json").out)
    right = [answer["classes"][0]["name"] == Path(answer["file"]).parent.name for answer in answers]
    assert told["top1"] == pytest.approx(sum(right) / 6)
    sure = [{each["name"]: each["probability"] for each in answer["classes"]} for answer in answers]
    probabilities = [each[file.parent.name] for each, file in zip(sure, files, strict=True)]
    assert told["loss"] == pytest.approx(-sum(map(math.log, probabilities)) / 6, rel=1e-4)


def test_temperature_and_views_of_the_file_are_used(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    said = {}
    for name, changed in (
        ("kept", load(model)),
        ("cool", replace(load(model), temperature=1.0)),
        ("one", replace(load(model), views="one")),
    ):
        path = tmp_path / f"{name}.safetensors"
        changed.save(path)
        said[name] = json.loads(hubel("evaluate", path, "digits", "--json").out)
    assert said["cool"]["top1"] == said["kept"]["top1"]
    assert said["cool"]["loss"] == said["kept"]["at_temperature_1"]["loss"] != said["kept"]["loss"]
    assert said["one"]["confused"] != said["kept"]["confused"]


def test_predict_reports_an_unreadable_file(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    open_data("digits", val=0).train.image(0).save(good)
    bad.write_bytes(b"no image")
    said = hubel("predict", model, bad, good, "--top", 3)
    assert said.status == 1
    lines = said.out.splitlines()
    assert lines[0].startswith(f"{bad}: error: ")
    assert lines[1] == str(good)
    assert len(lines) == 5
    assert hubel("predict", model, good, "--top", 0).status == 2


def test_predict_takes_a_folder(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("숫자.png", "하나/1.png")):
        path = tmp_path / "set" / name
        path.parent.mkdir(exist_ok=True)
        open_data("digits", val=0).train.image(number).save(path)
    (tmp_path / "set" / "읽기.txt").touch()
    files = [str(tmp_path / "set" / name) for name in ("숫자.png", "하나/1.png")]
    found = json.loads(hubel("predict", model, tmp_path / "set", "--json").out)
    assert [each["file"] for each in found] == files
    said = hubel("predict", model, tmp_path / "set", tmp_path / "gone.png", "--csv")
    assert (said.status, said.out[0]) == (1, "\ufeff")
    *rows, gone = csv.DictReader(said.out[1:].splitlines())
    assert [row["file"] for row in rows] == files
    for row, each in zip(rows, found, strict=True):
        assert row["class"] == each["classes"][0]["name"]
        assert float(row["probability"]) == pytest.approx(each["classes"][0]["probability"], abs=1e-6)
    assert gone == {
        "file": str(tmp_path / "gone.png"),
        "class": "",
        "probability": "",
        "error": "no such file",
    }
    assert hubel("predict", model, files[0], "--csv", "--top", 3).out.count("숫자.png") == 3
    assert hubel("predict", model, files[0], "--csv", "--json").status == 2


def test_evaluate_stops_at_a_bad_image_or_leaves_it_out(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    digits = open_data("digits", val=0).train
    for number in range(10):
        place = tmp_path / "set" / str(digits.labels[number])
        place.mkdir(parents=True)
        digits.image(number).save(place / "1.png")
    bad = tmp_path / "set" / "0" / "2.png"
    bad.write_bytes(b"no image")
    stopped = hubel("evaluate", model, tmp_path / "set")
    assert (stopped.status, stopped.out) == (1, "")
    assert str(bad) in stopped.err
    skipped = hubel("evaluate", model, tmp_path / "set", "--on-bad", "skip")
    assert skipped.status == 0
    assert skipped.out.startswith("all: 10 images, ")
    assert skipped.err.splitlines()[0] == "left out: 1 of 11 images"
    assert str(bad) in skipped.err.splitlines()[1]
    assert "did you mean skip?" in hubel("evaluate", model, tmp_path / "set", "--on-bad", "skp").err


def test_a_file_name_that_is_not_unicode_is_printed(
    hubel: Hubel, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    assert hubel("predict", model, tmp_path / "gone\udcff.png").status == 1
    out.flush()
    assert b"gone\\udcff.png: error: no such file" in out.buffer.getvalue()


def test_val_is_the_former_name_of_evaluate(hubel: Hubel, model: Path) -> None:
    assert hubel("val", model, "digits") == hubel("evaluate", model, "digits")


def test_a_runs_folder_stands_for_its_best_model(hubel: Hubel, model: Path) -> None:
    model.rename(model.with_name("best.safetensors"))
    found = hubel("evaluate", model.parent, "digits", "--json")
    assert found.status == 0
    assert found == hubel("evaluate", model.with_name("best.safetensors"), "digits", "--json")


CODE = """\
from torch import nn

def make_model():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""


def test_code_is_executed_only_with_allow_code(hubel: Hubel, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(CODE)
    network = OwnNetwork(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "8x8x1", "model.py:make_model")
    Model(network, DIGITS, Preprocessing.of("8x8x1")).save(tmp_path / "own.safetensors")
    open_data("digits", val=0).train.image(0).save(tmp_path / "zero.png")
    for arguments in (
        ("evaluate", tmp_path / "own.safetensors", "digits"),
        ("predict", tmp_path / "own.safetensors", tmp_path / "zero.png"),
    ):
        refused = hubel(*arguments)
        assert (refused.status, refused.out) == (1, "")
        assert "note: this executes" not in refused.err
        allowed = hubel(*arguments, "--allow-code")
        assert allowed.status == 0
        assert f"note: this executes {tmp_path / 'model.py'}\n" in allowed.err
        assert "--allow-code on the command line" in refused.err
    look = ["look", tmp_path / "own.safetensors", "maps", tmp_path / "zero.png", "--json"]
    assert "--allow-code on the command line" in hubel(*look).err
    answers = {hubel(*look[:at], "--allow-code", *look[at:]).out for at in (1, 2, 5)}
    assert len(answers) == 1
    assert '"scores"' in answers.pop()


def test_no_run_starts_from_a_model_of_ones_own_module(hubel: Hubel, tmp_path: Path) -> None:
    network = OwnNetwork(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "8x8x1", "model.py:make_model")
    Model(network, DIGITS, Preprocessing.of("8x8x1")).save(tmp_path / "own.safetensors")
    for net in ([], ["--net", "fc(10)"]):
        refused = hubel("train", "digits", "--from", tmp_path / "own.safetensors", *net)
        assert refused.status == 1
        assert "own.safetensors is a model of your own module, from which --from cannot start" in refused.err


@pytest.mark.parametrize("engine", ["auto", "onnxruntime", "torch-fused"])
def test_another_engine_measures_alike(engine: str, hubel: Hubel, model: Path) -> None:
    plain = json.loads(hubel("evaluate", model, "digits", "--json").out)
    found = json.loads(hubel("evaluate", model, "digits", "--json", "--engine", engine).out)
    assert found["top1"] == plain["top1"]
    assert found["loss"] == pytest.approx(plain["loss"], abs=1e-5)


def test_an_exported_file_is_measured_by_what_it_is_for(hubel: Hubel, model: Path, tmp_path: Path) -> None:
    plain = json.loads(hubel("evaluate", model, "digits", "--json").out)
    assert hubel("export", model, "--out", tmp_path / "m.onnx").status == 0
    found = json.loads(hubel("evaluate", tmp_path / "m.onnx", "digits", "--json").out)
    assert (found["split"], found["top1"]) == (plain["split"], plain["top1"])
    assert found["trained_on"] is None  # it has no marks of its training images
