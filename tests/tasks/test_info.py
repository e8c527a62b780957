"""What a file says of itself: of a model, of a run, and of exported files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError
from hubel.model.file import Model
from hubel.module.network import build
from hubel.net.names import conv, fc, relu
from hubel.report import info as report
from hubel.tasks.export import export
from hubel.tasks.info import info

NET = conv(4, 3) >> relu >> fc(2)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    network = build(NET, "8x8x3", scores=True)
    summary = {"data": "photos", "epoch": 3, "val_top1": 0.75}
    Model(network, ("고양이", "개"), Preprocessing.of("8x8x3"), summary).save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.mark.parametrize("to", ["safetensors", "onnx", "openvino", "pt2"])
def test_every_kind_of_file_says_the_same(to: str, saved: Path) -> None:
    path = saved
    if to != "safetensors":
        suffix = {"onnx": "onnx", "openvino": "xml", "pt2": "pt2"}[to]
        path = export(saved, to=to, out=saved.with_suffix(f".{suffix}")).path
    found = info(path)
    assert found.header.classes == ("고양이", "개")
    assert found.params == 4 * (27 + 1) + 2 * (144 + 1)
    text = report.as_text(found)
    assert "2: 고양이, 개" in text
    assert "75.00 % of the validation images" in text
    content = json.loads(report.as_json(found))
    assert content["notation"] == repr(NET)
    assert content["bytes"] >= path.stat().st_size


def test_a_damaged_file_says_nothing(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        info(saved)
    with pytest.raises(ModelError, match="does not exist"):
        info(saved.with_suffix(".onnx"))


def test_weights_beside_a_file_are_checked_too(saved: Path) -> None:
    path = export(saved, to="openvino", out=saved.with_suffix(".xml")).path
    weights = path.with_suffix(".bin")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"m\.bin is damaged"):
        info(path)


def test_no_loss_has_no_minus_sign() -> None:
    about = {"drop": 0.0, "images": 6, "engine": "openvino", "processor": "x"}
    assert report._int8(about).startswith("+0.00 points")


def test_where_a_model_is_needed_an_exported_file_is_named_as_such(saved: Path) -> None:
    path = export(saved, out=saved.with_suffix(".onnx")).path
    with pytest.raises(ModelError, match="predict, evaluate and info take"):
        export(path, to="pt2", out=saved.with_suffix(".pt2"))
