"""Models exported with the resize inside: run on images of any size, checked, measured, refused."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from hubel.data.image.preprocess import Preprocessing, Whole
from hubel.errors import DataError, ModelError, UsageError
from hubel.evaluation.trial import PHOTO
from hubel.graph import onnx as graphs
from hubel.model.export import SCALES
from hubel.model.exported import open_exported
from hubel.model.file import Model
from hubel.model.graph import RESIZED
from hubel.module.network import build
from hubel.net.names import conv, fc, globalavgpool, relu
from hubel.report import info as report
from hubel.tasks.bench import bench
from hubel.tasks.bench_subject import untrained
from hubel.tasks.evaluate import evaluate
from hubel.tasks.export import export
from hubel.tasks.info import info
from hubel.tasks.predict import predict

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
SUFFIX = {"onnx": ".onnx", "openvino": ".xml"}
ENGINES = {"onnx": ("onnxruntime", "openvino"), "openvino": ("openvino",)}


def model(**options: Any) -> Model:
    """A network whose probabilities a pixel that is rounded otherwise moves little."""
    torch.manual_seed(0)
    network = build(conv(8, 3, stride=2) >> relu >> globalavgpool >> fc(3), "24x32x3", scores=True).eval()
    return Model(network, ("고양이", "개", "여우"), Preprocessing(24, 32, 3, MEAN, STD, **options))


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """A large JPEG, which is decoded at a quarter, one that lies on its side, and PNGs of all kinds."""
    draw = np.random.default_rng(0)
    large = Image.fromarray(draw.integers(0, 256, (9, 12, 3), np.uint8)).resize((240, 180), 3)
    turned = Image.Exif()
    turned[0x0112] = 6
    names = [tmp_path / name for name in ("large.jpg", "turned.jpg", "clear.png", "grey.png", "tiny.png")]
    large.save(names[0])
    large.save(names[1], exif=turned)
    Image.fromarray(draw.integers(0, 256, (40, 30, 4), np.uint8)).save(names[2])
    Image.fromarray(draw.integers(0, 256, (70, 33), np.uint8)).save(names[3])
    large.resize((2, 3)).save(names[4])
    return names


@pytest.mark.parametrize("options", [{}, {"resize": 40}, {"fit": "pad"}, {"fit": "squash"}], ids=str)
@pytest.mark.parametrize("to", SUFFIX)
def test_the_file_answers_as_the_model_does(
    to: str, options: dict[str, Any], tmp_path: Path, photos: list[Path]
) -> None:
    made = model(**options)
    found = export(made, to=to, out=tmp_path / f"m{SUFFIX[to]}", resize=True)
    assert found.check is not None
    assert found.check.difference < RESIZED
    wanted = [dict(each.classes) for each in made.predict(photos, engine="torch")]
    for engine in ENGINES[to]:
        answers = [dict(each.classes) for each in predict(found.path, photos, engine=engine)]
        assert answers == [pytest.approx(each, abs=RESIZED) for each in wanted]
        assert dict(predict(found.path, photos[0], engine=engine).classes) == answers[0]


@pytest.mark.parametrize("depth", [1, 3])
def test_the_example_program_gives_the_image_whole(depth: int, tmp_path: Path, photos: list[Path]) -> None:
    network = build(conv(4, 3) >> globalavgpool >> fc(2), (24, 32, depth), scores=True).eval()
    made = Model(network, ("a", "b"), Preprocessing.of((24, 32, depth)))
    path = export(made, out=tmp_path / "m.onnx", resize=True).path
    program = runpy.run_path(str(tmp_path / "m_onnx.py"))
    whole = open_exported(path).preprocessing
    for photo in photos:
        assert (program["pixels"](photo) == whole.read(photo)).all(), photo.name
    run = [sys.executable, str(tmp_path / "m_onnx.py"), *map(str, photos)]
    out = subprocess.run(run, capture_output=True, text=True, check=True, cwd="/").stdout
    answers = predict(path, photos, engine="onnxruntime")
    assert out.splitlines() == [f"{each.file}  {each.label}  {each.probability:.4f}" for each in answers]


def test_an_image_is_read_whole(photos: list[Path]) -> None:
    seen = Whole(24, 32, 3, MEAN, STD)
    with Image.open(photos[3]) as grey:
        assert (seen.read(photos[3]) == np.array(grey.convert("RGB"))).all()
    assert seen.read(photos[0]).shape == (45, 60, 3)  # 180 x 240 at a quarter: at least 32 pixels are left
    assert seen.read(photos[1]).shape == (240, 180, 3)[::1] or seen.read(photos[1]).shape == (60, 45, 3)
    pixels = np.zeros((5, 6, 3), np.uint8)
    assert seen.pixels(pixels).shape == (5, 6, 3)


def test_the_file_says_that_it_resizes(tmp_path: Path) -> None:
    path = export(model(), out=tmp_path / "m.onnx", resize=True).path
    read = onnx.load(path)
    texts = {entry.key: entry.value for entry in read.metadata_props}
    assert "any size" in texts["resize"]
    assert f"{RESIZED:g}" in texts["resize"]
    (taken,) = read.graph.input
    shape = [dim.dim_param or dim.dim_value for dim in taken.type.tensor_type.shape.dim]
    assert shape == ["n", "height", "width", 3]
    assert [each.version for each in read.opset_import] == [17]
    found = info(path)
    assert found.resizes
    assert json.loads(report.as_json(found))["resize"] is True
    assert "any size" in report.as_text(found)
    assert not info(export(model(), out=tmp_path / "n.onnx").path).resizes


def test_a_file_that_resizes_otherwise_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nearest(graph: Any, _resize: Any, plane: tuple[int, int]) -> str:
        """Without antialiasing, as many runtimes do it."""
        maps = graph.op("Cast", graph.op("Transpose", "images", perm=[0, 3, 1, 2]), to=onnx.TensorProto.FLOAT)
        front = graph.op("Slice", graph.op("Shape", maps), graph.ints(0), graph.ints(2))
        sizes = graph.op("Concat", front, graph.ints(*plane), axis=0)
        return str(graph.op("Resize", maps, "", "", sizes, mode="nearest"))

    monkeypatch.setattr(graphs, "resized", nearest)
    with pytest.raises(ModelError, match="answers otherwise"):
        export(model(), out=tmp_path / "m.onnx", resize=True)
    assert not [*tmp_path.iterdir()]


def test_the_check_covers_smaller_larger_wider_and_equal_sizes() -> None:
    assert (1, 1) in SCALES
    assert min(map(min, SCALES)) < 1 < max(map(max, SCALES))
    assert any(down > across for down, across in SCALES)
    assert any(down < across for down, across in SCALES)


def test_the_first_image_of_a_process_is_answered_as_the_next(tmp_path: Path) -> None:
    """OpenVINO reads memory that nothing was written to when it first runs some graphs of no fixed size."""
    made = untrained("fast_tiny", "32x32x3")
    made.export(tmp_path / "m.onnx", resize=True)
    image = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    wanted = np.asarray(made.probabilities_of(made.preprocessing.pixels(image)[None]))
    for _ in range(3):
        opened = open_exported(tmp_path / "m.onnx", "openvino")
        assert np.abs(opened.probabilities_of(image[None]) - wanted).max() < RESIZED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Labelled photos of several sizes."""
    draw = np.random.default_rng(1)
    for name in ("개", "여우"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(6):
            size = (int(draw.integers(10, 90)), int(draw.integers(10, 90)))
            image = Image.fromarray(draw.integers(0, 256, (5, 5, 3), np.uint8)).resize(size, 3)
            image.save(tmp_path / "set" / name / f"{number}.png")
    return tmp_path / "set"


def test_it_is_evaluated_on_whole_images(tmp_path: Path, folder: Path) -> None:
    made = model(resize=40)
    path = export(made, out=tmp_path / "m.onnx", resize=True).path
    wanted, found = evaluate(made, folder), evaluate(path, folder)
    assert found.names == wanted.names
    assert (found.labels == wanted.labels).all()
    probabilities = [each.scores.softmax(1) for each in (wanted, found)]
    assert (probabilities[0] - probabilities[1]).abs().max() < RESIZED
    (folder / "개" / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"bad\.png"):
        evaluate(path, folder)
    skipping = evaluate(path, folder, on_bad="skip")
    assert [Path(each.name).name for each in skipping.skipped] == ["bad.png"]
    assert skipping.top1 == found.top1


def test_it_is_measured_on_photos(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.model.exported.installed", lambda: ("torch", "onnxruntime"))
    path = export(model(), out=tmp_path / "m.onnx", resize=True).path
    found = bench(path, data=folder, batch="1,2", seconds=0.01)
    assert [each.name for each in found.engines if not each.error] == ["onnxruntime"]
    assert PHOTO == (375, 500)


def test_int8_resizes_too(tmp_path: Path, folder: Path, photos: list[Path]) -> None:
    made = model()
    found = export(made, out=tmp_path / "m.onnx", resize=True, int8=True, data=folder, max_drop=100)
    assert found.int8 is not None
    assert info(found.path).resizes
    wanted = dict(made.predict(photos[0]).classes)
    assert dict(predict(found.path, photos[0]).classes) == pytest.approx(wanted, abs=0.05)


def test_what_cannot_resize_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not to pt2"):
        export(model(), to="pt2", out=tmp_path / "m.pt2", resize=True)
    with pytest.raises(UsageError, match="choose one of them"):
        export(model(), out=tmp_path / "m.onnx", resize=True, raw=True)
    with pytest.raises(UsageError, match="choose one of them"):
        model().export(tmp_path / "m.onnx", resize=True, raw=True)
    assert model().export(tmp_path / "m.onnx", resize=True).difference < RESIZED
