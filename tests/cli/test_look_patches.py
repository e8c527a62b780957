"""`hubel look MODEL patches DATA` as a person meets it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from hubel import build, conv, fc, relu
from hubel.data.image.preprocess import Preprocessing
from hubel.instruments.patches import Top
from hubel.model.file import Model
from hubel.tasks.look.patches import Wanted
from tests.cli.conftest import Hubel


def test_an_image_and_json_of_the_same_patches(hubel: Hubel, model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "patches.png"
    said = hubel(
        "look",
        model,
        "patches",
        data,
        "--layer",
        "relu1",
        "--unit",
        "relu2[4]",
        "--top",
        3,
        "-o",
        out,
        "--json",
    )
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert [each["unit"] for each in found] == ["relu1[0]", "relu1[1]", "relu1[2]", "relu1[3]", "relu2[4]"]
    for each in found:
        scores = [patch["score"] for patch in each["patches"]]
        assert scores == sorted(scores, reverse=True)
        for patch in each["patches"]:
            assert Path(patch["file"]).is_file()
    first = found[0]["patches"][0]
    assert first["box"]["bottom"] - first["box"]["top"] == 2
    assert (
        first["box"]
        == first["seen"]
        == {
            "top": first["row"],
            "left": first["column"],
            "bottom": first["row"] + 2,
            "right": first["column"] + 2,
        }
    )
    with Image.open(out) as image:
        assert image.width > 300


def test_by_default_all_activations_and_the_scores(hubel: Hubel, model: Path, data: Path) -> None:
    said = hubel("look", model, "patches", data, "--json", "--maps", 3)
    assert said.status == 0, said.err
    units = [each["unit"] for each in json.loads(said.out)]
    assert units == [
        "relu1[0]",
        "relu1[1]",
        "relu1[2]",
        "relu2[0]",
        "relu2[1]",
        "relu2[2]",
        "fc1[0]",
        "fc1[1]",
    ]


def test_without_a_number_a_page_of_maps_is_drawn(hubel: Hubel, data: Path, tmp_path: Path) -> None:
    """Of 40 layers of 20 maps and 2 scores: 12 layers, first and last among them, and 6 maps of each."""
    net = 40 * (conv(20, 3, pad=1) >> relu) >> fc(2)
    path, out = tmp_path / "deep.safetensors", tmp_path / "page.png"
    network = build(net, "10x10x3", seed=1)
    Model(network, ("cat", "dog"), Preprocessing.of("10x10x3")).save(path)
    said = hubel("look", path, "patches", data, "-o", out)
    assert said.status == 0, said.err
    assert "68 of 802 maps are shown, those driven most of 12 of 41 layers; --maps N" in said.out
    with Image.open(out) as image:
        assert image.height < 5000
    shown = json.loads(hubel("look", path, "patches", data, "--json").out)
    paths = list(dict.fromkeys(each["unit"].partition("[")[0] for each in shown))
    assert len(shown) == 11 * 6 + 2
    assert (len(paths), paths[0], paths[-1]) == (12, "relu1", "fc1")
    of_first = json.loads(hubel("look", path, "patches", data, "--layer", "relu1", "--json").out)
    assert len(of_first) == 20
    best = sorted((each["patches"][0]["score"] for each in of_first if each["patches"]), reverse=True)
    assert sorted((each["patches"][0]["score"] for each in shown[:6]), reverse=True) == best[:6]


def test_a_page_is_shared_by_its_layers() -> None:
    scores = np.arange(12, dtype=np.float32).reshape(4, 3)
    none, silent = np.zeros((4, 3), np.int64), np.zeros((4, 3), np.bool_)
    tops = [Top(f"relu{number}", none, none, none, scores, silent) for number in range(30)]
    assert [str(unit) for unit in Wanted().of(tops[:1])] == [f"relu0[{number}]" for number in range(4)]
    assert [str(unit) for unit in Wanted(maps=2).of(tops)[:3]] == ["relu0[0]", "relu0[1]", "relu1[0]"]
    assert [str(unit) for unit in Wanted().of(tops)[:3]] == ["relu0[2]", "relu0[3]", "relu1[2]"]


@pytest.mark.parametrize(
    "words",
    [
        ["patches", "DATA", "--json"],
        ["deconv", "DATA", "--layer", "relu1"],
        ["embedding", "DATA", "--near", "DATA/cat/0.png"],
        ["atlas", "--data", "DATA", "--units", 1],
        ["ablate", "DATA"],
        ["tuning"],
    ],
    ids=lambda words: str(words[0]),
)
def test_the_model_and_the_set_are_opened_once(
    hubel: Hubel,
    model: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[object],
) -> None:
    spies = []
    for home, name in (
        ("model.open", "open_model"),
        ("evaluation.splits", "open_data"),
        ("data.sources", "open_data"),
    ):
        module = import_module(f"hubel.{home}")
        spies.append(Mock(wraps=getattr(module, name)))
        monkeypatch.setattr(module, name, spies[-1])
    given = [str(word).replace("DATA", str(data)) for word in words]
    said = hubel("look", model, *given, "-o", tmp_path / ("out.html" if "atlas" in words else "out.png"))
    assert said.status == 0, said.err
    assert [spy.call_count for spy in spies] == [1, int(len(words) > 1), 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a file for the image"),
        (["-o", "patches.jpg"], "written as one of .png"),
        (["--json", "--layer", "relu9"], "no layer 'relu9'; did you mean relu2?"),
        (["--json", "--unit", "relu1"], "relu1 is no map; write relu1[0]"),
        (["--json", "--top", 0], "top is at least 1"),
        (["--json", "--maps", 0], "maps is at least 1"),
        (["--json", "--split", "tset"], "no split 'tset'; did you mean test?"),
    ],
)
def test_errors(hubel: Hubel, model: Path, data: Path, words: list[object], message: str) -> None:
    said = hubel("look", model, "patches", data, *words)
    assert said.status == 2
    assert message in said.err


def test_a_split_that_is_not_there(hubel: Hubel, model: Path, data: Path) -> None:
    said = hubel("look", model, "patches", data, "--json", "--split", "val")
    assert said.status == 1
    assert "has no val split; it has train" in said.err
