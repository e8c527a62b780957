"""`hubel look MODEL neuron`: arithmetic to be read, and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hubel import build, parse
from hubel.cli.look.group import look
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import UsageError
from hubel.model.file import Model

NET = (
    "conv(4, 3, pad=1) >> batchnorm >> relu >> maxpool(3, 2) >> lrn >> (conv(8, 5, pad=2) + conv(8, 1))"
    " >> tanh >> (identity | avgpool(3, 1, pad=1)) >> subsample >> padshortcut(20) >> globalavgpool >> fc(5)"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A model's file and an image's."""
    folder = tmp_path_factory.mktemp("look")
    model, image = folder / "model.safetensors", folder / "image.png"
    network = build(parse(NET), "12x12x3", scores=True)
    Model(network, tuple("abcde"), Preprocessing.of("12x12x3")).save(model)
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    Image.fromarray(pixels).save(image)
    return str(model), str(image)


def said(*arguments: str) -> str:
    result = CliRunner().invoke(look, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


UNITS = [
    "conv1[1,0,4]",
    "batchnorm1[1,2,3]",
    "relu1[1,2,3]",
    "maxpool1[2,1,1]",
    "lrn1[0,1,1]",
    "conv2[7,0,0]",
    "add1[3,2,2]",
    "tanh1[3,2,2]",
    "avgpool1[3,0,4]",
    "concat1[12,1,1]",
    "subsample1[4,1,0]",
    "padshortcut1[19,0,0]",
    "globalavgpool1[5]",
    "fc1[2]",
]


@pytest.mark.parametrize("unit", UNITS)
def test_text_is_narrow_and_json_has_it_all(files: tuple[str, str], unit: str) -> None:
    model, image = files
    text = said(model, "neuron", unit, image)
    assert max(map(len, text.splitlines())) <= 100
    assert "in the network" in text
    content = json.loads(said(model, "neuron", unit, image, "--json"))
    assert f"{content['unit']} = " in text
    assert abs(content["value"] - content["computed"]) <= 1e-5
    for taken in content["taken"]:
        shape = (len(taken["maps"]), len(taken["rows"]), len(taken["columns"]))
        assert np.shape(taken["values"]) == shape
    if unit.startswith(("conv", "fc")):
        (taken,) = content["taken"]
        products = np.array(taken["values"]) * np.array(taken["weights"])
        np.testing.assert_allclose(products, taken["products"])
        assert products.sum() + content["parts"]["bias"] == pytest.approx(content["computed"], abs=1e-5)


def test_a_small_window_is_written_out(files: tuple[str, str]) -> None:
    model, image = files
    text = said(model, "neuron", "conv1[1,0,4]", image)
    assert "sees rows 0 to 1, columns 3 to 5 of the image as the network sees it: 2x3 pixels" in text
    assert "reads input (12x12x3), maps 0 to 2, rows -1 to 1, columns 3 to 5" in text
    assert "9 of these 27 are padding, shown as ·" in text
    assert [f"input[{at}]" in text for at in range(3)] == [True] * 3


def test_of_a_large_window_what_is_listed_adds_up(files: tuple[str, str]) -> None:
    model, image = files
    text = said(model, "neuron", "fc1[2]", image)
    lines = text.splitlines()
    listed = [float(line.split()[-1]) for line in lines if line.startswith(("  globalavgpool1[", "  sum of"))]
    (total,) = (float(line.split()[-1]) for line in lines if line.startswith("sum of"))
    assert len(listed) == 13
    assert sum(listed) == pytest.approx(total, abs=1e-4)


def test_errors(files: tuple[str, str]) -> None:
    model, image = files
    for unit, message in (("conw1[0,0,0]", "did you mean conv1"), ("conv1[9,0,0]", "its maps are 0 to 3")):
        with pytest.raises(UsageError, match=message):
            said(model, "neuron", unit, image)
