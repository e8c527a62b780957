"""What predicts: one answer by every engine, without torch where another engine runs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.formats.fetch import cache_folder
from hubel.data.image.preprocess import Preprocessing
from hubel.engines import choice, engine
from hubel.engines.engine import NEEDS, REDUCED, installed, usual_engine
from hubel.errors import ModelError, UsageError
from hubel.model import classifier as opening
from hubel.model.classifier import classifier
from hubel.model.file import Model
from hubel.model.header import read_metadata
from hubel.module.network import build
from hubel.net.names import batchnorm, conv, fc, maxpool, relu
from hubel.tasks.predict import predict

FLOAT32 = [name for name in installed() if not name.endswith(REDUCED)]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    net = conv(8, 3) >> batchnorm >> relu >> maxpool(2) >> fc(3)
    network = build(net, "12x12x3", scores=True).eval()
    seen = Preprocessing(12, 12, 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    Model(network, ("a", "b", "c"), seen, temperature=0.5, views="mirror").save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("engine", FLOAT32)
def test_every_engine_answers_alike(engine: str, saved: Path, photo: Path) -> None:
    from hubel.model.file import load

    wanted = load(saved).probabilities(photo).numpy()[0]
    by_file = predict(saved, photo, engine=engine)
    by_model = load(saved).predict(photo, engine=engine)
    for found in (by_file, by_model):
        assert dict(found.classes) == pytest.approx(dict(zip("abc", wanted, strict=True)), abs=1e-6)


@pytest.mark.parametrize("engine", ["torch-bf16", "openvino-bf16"])
def test_bfloat16_is_near(engine: str, saved: Path, photo: Path) -> None:
    wanted = dict(predict(saved, photo, engine="torch").classes)
    assert dict(predict(saved, photo, engine=engine).classes) == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_predicting_needs_no_torch(engine: str, saved: Path, photo: Path) -> None:
    code = (
        "import sys\nsys.argv = ['hubel', 'predict', *sys.argv[1:]]\nfrom hubel.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('torch' in sys.modules)"
    )
    for _ in range(2):  # made anew, and from the cache
        run = [sys.executable, "-c", code, str(saved), str(photo), "--engine", engine]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.endswith("False\n")


def test_a_damaged_graph_in_the_cache_is_made_anew(saved: Path, photo: Path) -> None:
    wanted = predict(saved, photo, engine="onnxruntime")
    for graph in (cache_folder() / "engines").glob("*.onnx"):
        graph.write_bytes(graph.read_bytes()[:100])
    assert predict(saved, photo, engine="onnxruntime") == wanted


def test_a_damaged_model_is_refused_though_its_graph_was_kept(saved: Path, photo: Path) -> None:
    predict(saved, photo, engine="onnxruntime")
    content = bytearray(saved.read_bytes())
    content[-3] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        predict(saved, photo, engine="onnxruntime")


def test_changed_weights_are_used(saved: Path, photo: Path) -> None:
    from hubel.model.file import load

    model = load(saved)
    before = model.predict(photo, engine="onnxruntime")
    assert model.by("onnxruntime") is model.by("onnxruntime")
    with torch.no_grad():
        next(model.network.parameters()).mul_(-1)
    after = model.predict(photo, engine="onnxruntime")
    assert after.classes != before.classes
    assert dict(after.classes) == pytest.approx(dict(model.predict(photo, engine="torch").classes), abs=1e-6)


def test_auto_takes_what_was_measured_as_long_as_it_holds(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choice.chosen("x") == usual_engine() == "openvino"
    choice.remember("x", "onnxruntime")
    assert choice.chosen("x") == "onnxruntime"
    monkeypatch.setattr(choice, "processor", lambda: "another")
    assert choice.chosen("x") == "openvino"
    choice.place().write_text("[1")
    assert choice.chosen("x") == "openvino"


def test_engines_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    with pytest.raises(UsageError, match="did you mean openvino"):
        classifier(saved, "openvin")
    monkeypatch.setattr(engine, "has_gpu", lambda: False)
    with pytest.raises(UsageError, match="cuda needs an NVIDIA GPU"):
        classifier(saved, "cuda")
    assert set(installed()) | {"cuda", "cuda-fp16"} == set(NEEDS)
    monkeypatch.setitem(NEEDS, "openvino", ("no_such_package",))
    with pytest.raises(UsageError, match=r'pip install "hubel\[openvino\]"'):
        classifier(saved, "openvino")


def test_a_file_that_is_replaced_while_it_is_read_is_not_kept_as_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    path, read = tmp_path / "m.safetensors", read_metadata

    def saved(seed: int) -> bytes:
        network = build(fc(2), "4x4x1", seed=seed, scores=True)
        Model(network, ("a", "b"), Preprocessing.of("4x4x1")).save(path)
        return path.read_bytes()

    first = saved(1)
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    wanted = np.asarray(opening.classifier(path, "torch").probabilities_of(pixels))

    def replaced(*given: Any) -> Any:
        saved(2)
        return read(*given)

    monkeypatch.setattr(opening, "read_metadata", replaced)
    with contextlib.suppress(ModelError):
        opening.classifier(path, "onnxruntime")
    monkeypatch.setattr(opening, "read_metadata", read)
    path.write_bytes(first)
    found = np.asarray(opening.classifier(path, "onnxruntime").probabilities_of(pixels))
    assert np.abs(found - wanted).max() < 1e-5
