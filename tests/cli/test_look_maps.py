"""`hubel look MODEL maps`: images and numbers, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hubel import build, parse
from hubel.cli.look.group import look
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import UsageError
from hubel.model.file import Model


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A model's file and an image's, which is larger and of another shape than the network's input."""
    folder = tmp_path_factory.mktemp("look")
    model, image = folder / "model.safetensors", folder / "image.png"
    network = build(
        parse("conv(12, 3) >> relu >> maxpool(2) >> fc(20) >> relu >> fc(3)"), "8x8x1", scores=True
    )
    Model(network, ("cat", "dog", "ship"), Preprocessing.of("8x8x1")).save(model)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)).save(image)
    return str(model), str(image)


def said(*arguments: object) -> str:
    result = CliRunner().invoke(look, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("layers", [(), ("--layers", "conv1, relu1,fc1"), ("--layers", "all")])
@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_writes_images(
    files: tuple[str, str], tmp_path: Path, layers: tuple[str, ...], suffix: str, start: bytes
) -> None:
    out = tmp_path / f"maps.{suffix}"
    assert said(files[0], "maps", files[1], *layers, "-o", out) == f"wrote {out}\n"
    assert out.read_bytes().startswith(start)


def test_json(files: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "maps.png"
    content = json.loads(said(files[0], "maps", files[1], "--json", "-o", out))
    assert out.is_file()
    assert [layer["path"] for layer in content["layers"]] == [
        "conv1",
        "relu1",
        "maxpool1",
        "fc1",
        "relu2",
        "fc2",
    ]
    assert "values" not in content["layers"][0]
    assert sum(each["probability"] for each in content["scores"]) == pytest.approx(1)
    content = json.loads(said(files[0], "maps", files[1], "--json", "--layers", "relu1"))
    (layer,) = content["layers"]
    assert np.shape(layer["values"]) == (12, 6, 6)
    assert layer["rows"] == [[row, row + 2] for row in range(6)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a file for the image"),
        (("-o", "maps.jpg"), "one of .svg, .png, .pdf"),
        (("-o", "missing/maps.png"), "no folder 'missing'"),
        (("-o", "maps.png", "--layers", "relu1,conw1"), "did you mean conv1"),
        (("-o", "maps.png", "--columns", "0"), "at least 1"),
    ],
)
def test_errors(
    files: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        said(files[0], "maps", files[1], *arguments)
    assert list(tmp_path.iterdir()) == []
