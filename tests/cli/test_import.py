"""`hubel import` and `hubel notation` as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from onnx import helper
from PIL import Image

from tests.cli.conftest import Hubel
from tests.foreign.graphs import head, weights, written
from tests.weights.fixtures import seeded

node: Any = helper.make_node


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """The file of a small network, whose input leaves height and width open."""
    tail, constants = head("end", 4)
    nodes = [node("Conv", ["x", "stem.weight"], ["a"]), node("Relu", ["a"], ["end"])]
    shape = ("n", 3, "h", "w")
    return written(
        tmp_path / "m.onnx", [*nodes, *tail], constants | {"stem.weight": weights(4, 3, 3, 3)}, shape=shape
    )


def test_an_onnx_file_becomes_a_model(hubel: Hubel, network: Path, tmp_path: Path) -> None:
    out, names = tmp_path / "m.safetensors", tmp_path / "names.txt"
    names.write_text("cat\ndog\nowl\n")
    said = hubel("import", network, "--out", out)
    assert (said.status, "takes images of ?x?x3; give their size, --input" in said.err) == (2, True)
    given = ("--input", "12x10x3", "--out", out, "--mean", "0.5", "--std", "0.2,0.3,0.4", "--classes", names)
    said = hubel("import", network, *given)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("its scores are those of ONNX Runtime to ")
    assert "note" not in said.out
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.png")
    answer = json.loads(hubel("predict", out, tmp_path / "a.png", "--json").out)
    assert {each["name"] for each in answer[0]["classes"]} == {"cat", "dog", "owl"}
    assert 'named("stem", conv(4, 3, bias=False))' in hubel("notation", out).out
    assert hubel("diff", network, out, "--input", "12x10x3").status == 0
    assert hubel("import", network, *given).status == 2


def test_scores_are_compared_on_images_of_one_s_own(hubel: Hubel, network: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30), (80 * number, 10, 90)).save(tmp_path / "photos" / f"{number}.png")
    given = ("--input", "12x10x3", "--images", tmp_path / "photos")
    said = hubel("import", network, *given, "--out", tmp_path / "m.safetensors")
    assert (said.status, said.err) == (0, "")
    assert " on 5 images; " in said.out
    (tmp_path / "model.py").write_text(MODULE)
    module = (f"{tmp_path}/model.py:make", "--input", "8x8x3", "--images", tmp_path / "photos")
    assert " on 5 images" in hubel("notation", *module, "--out", tmp_path / "n.safetensors").err
    assert hubel("notation", *module).status == 2
    said = hubel(
        "import", network, "--input", "12x10x3", "--images", "nowhere", "--out", tmp_path / "o.safetensors"
    )
    assert (said.status, "nowhere" in said.err) == (1, True)


def test_what_nobody_says_is_printed(hubel: Hubel, network: Path, tmp_path: Path) -> None:
    said = hubel("import", network, "--input", "12x10x3", "--out", tmp_path / "m.safetensors")
    assert "note    the file does not say how images are prepared; ImageNet's mean" in said.out
    assert "note    the file names no classes: they are called class 0 to class" in said.out


def test_the_table_up_to_what_is_no_layer_is_printed(hubel: Hubel, tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["a"]), node("Sin", ["a"], ["y"], name="wave")]
    path = written(tmp_path / "m.onnx", nodes)
    for command in (("import", path, "--out", tmp_path / "m.safetensors"), ("table", path)):
        said = hubel(*command)
        assert said.status == 1
        assert "relu1  relu" in said.out
        assert "node wave (Sin) is no layer of hubel: there is no layer for Sin" in said.err
    assert not (tmp_path / "m.safetensors").exists()


def test_arguments_that_mean_nothing_are_refused(hubel: Hubel, network: Path, tmp_path: Path) -> None:
    for arguments, message in (
        ((network, "--net", "resnet18"), "net means nothing where the file holds the network"),
        ((network, "net.caffemodel"), "weights means nothing beside an ONNX file"),
        (("a.pth", "--net", "resnet18", "--mean", "0.5"), "mean means nothing for weights alone"),
        ((network, "--mean", "0.5"), "mean and std are given together"),
        ((network, "--mean", "half"), "--mean is a number or several with commas"),
        ((tmp_path / "none.onnx",), "none.onnx does not exist"),
    ):
        said = hubel("import", *arguments, "--out", tmp_path / "m.safetensors", "--input", "12x10x3")
        assert (said.status, message in said.err) == (2, True), said.err


def test_weights_alone_go_through_the_same_door(hubel: Hubel, tmp_path: Path) -> None:
    torch.save(seeded("torchvision resnet18"), tmp_path / "a.pth")
    said = hubel("import", tmp_path / "a.pth", "--net", "resnet18", "--out", tmp_path / "a.safetensors")
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith("122 tensors matched (torchvision or timm names)\n")


MODULE = """
from torch import nn
def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
def strange():
    return nn.Sequential(nn.ReLU(), nn.Softsign(), nn.Flatten())
"""


def test_the_notation_of_a_module(hubel: Hubel, tmp_path: Path) -> None:
    file, out = tmp_path / "model.py", tmp_path / "m.safetensors"
    file.write_text(MODULE)
    said = hubel("notation", f"{file}:make", "--input", "8x8x3", "-o", out)
    assert said.status == 0
    assert said.out == 'named("_0", conv(4, 3)) >> named("_1", relu) >> named("_3", fc(3))\n'
    assert "its scores are those of the module to" in said.err
    assert said.err.endswith(
        f"wrote {out}, {out.stat().st_size / 1e3:.2f} kB ({out.stat().st_size / 1024:.2f} KiB)\n"
    )
    assert hubel("notation", out).out == said.out
    said = hubel("notation", f"{file}:strange", "--input", "8x8x3")
    assert said.status == 1
    assert "1 is no layer of hubel: there is none for softsign of 8x8x3" in said.err
