"""Exported models: opened again, run, described; their example programs; what is refused."""

from __future__ import annotations

import json
import pickle
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import pytest
import torch
from PIL import Image
from torch import nn

from hubel.data.image.preprocess import Preprocessing
from hubel.engines import engine as engines
from hubel.errors import ModelError, UsageError
from hubel.model import export as exporting
from hubel.model.exported import open_exported
from hubel.model.file import Model, load
from hubel.model.graph import onnx_graph
from hubel.module.network import build
from hubel.module.own import OwnNetwork
from hubel.net.names import batchnorm, conv, fc, globalavgpool, relu
from hubel.tasks.export import export
from hubel.tasks.info import info
from hubel.tasks.predict import predict

SUFFIX = {"onnx": ".onnx", "openvino": ".xml", "pt2": ".pt2"}
NET = conv(8, 3, stride=2) >> batchnorm >> relu
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def model(**options: Any) -> Model:
    seen = Preprocessing(12, 16, 3, MEAN, STD, **options)
    network = build(NET >> globalavgpool >> fc(3), "12x16x3", scores=True).eval()
    return Model(network, ("고양이", "개", "여우"), seen, temperature=0.1, views="mirror")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """A large JPEG, one that lies on its side, a transparent PNG, a grey one, a tiny one."""
    draw = np.random.default_rng(0)
    small = draw.integers(0, 256, (9, 12, 3), np.uint8)
    large = Image.fromarray(small).resize((240, 180), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    names = [tmp_path / name for name in ("large.jpg", "turned.jpg", "clear.png", "grey.png", "tiny.png")]
    large.save(names[0])
    large.save(names[1], exif=turned)
    Image.fromarray(draw.integers(0, 256, (40, 30, 4), np.uint8)).save(names[2])
    Image.fromarray(draw.integers(0, 256, (40, 30), np.uint8)).save(names[3])
    Image.fromarray(small[:3, :2]).save(names[4])
    return names


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("to", SUFFIX)
def test_the_file_answers_as_the_model_does(to: str, raw: bool, tmp_path: Path, photos: list[Path]) -> None:
    made = model()
    found = export(made, to=to, out=tmp_path / f"m{SUFFIX[to]}", raw=raw)
    assert found.check is not None
    assert found.check.difference < 1e-5
    wanted = [dict(each.classes) for each in made.predict(photos, engine="torch")]
    assert [dict(each.classes) for each in predict(found.path, photos)] == [
        pytest.approx(each, abs=1e-5) for each in wanted
    ]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("to", SUFFIX)
def test_the_example_program_answers_as_the_model_does(
    to: str, raw: bool, tmp_path: Path, photos: list[Path]
) -> None:
    made = model()
    export(made, to=to, out=tmp_path / f"m{SUFFIX[to]}", raw=raw)
    odd = tmp_path / f"m_{to}.py"  # a file that is no image
    run = [sys.executable, str(odd), str(odd), *map(str, photos)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd="/")
    answers = [f"{each.file}  {each.label}  {each.probability:.4f}" for each in made.predict(photos)]
    assert done.stdout.splitlines() == answers
    assert done.returncode == 1
    assert f"{odd}  is not an image that can be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "options",
    [{}, {"resize": 20}, {"fit": "pad"}, {"fit": "squash"}, {"interpolation": "bicubic"}],
    ids=str,
)
def test_the_example_program_sees_the_same_pixels(
    options: dict[str, Any], tmp_path: Path, photos: list[Path]
) -> None:
    made = model(**options)
    export(made, out=tmp_path / "m.onnx")
    program = runpy.run_path(str(tmp_path / "m_onnx.py"))
    for photo in photos:
        assert (program["pixels"](photo) == made.preprocessing.read(photo)).all(), photo.name


def test_the_onnx_file_describes_itself_and_takes_any_batch(tmp_path: Path) -> None:
    made = model()
    found = export(made, out=tmp_path / "m.onnx")
    read = onnx.load(found.path)
    texts = {entry.key: entry.value for entry in read.metadata_props}
    assert json.loads(texts["classes"]) == ["고양이", "개", "여우"]
    assert texts["notation"] == repr(made.net)
    assert {"preprocessing", "versions", "temperature", "views", "sha256"} < texts.keys()
    (taken,), (given,) = read.graph.input, read.graph.output
    assert [dim.dim_param or dim.dim_value for dim in taken.type.tensor_type.shape.dim] == ["n", 12, 16, 3]
    assert [dim.dim_param or dim.dim_value for dim in given.type.tensor_type.shape.dim] == ["n", 3]
    assert [(each.domain, each.version) for each in read.opset_import] == [("", 17)]


def test_a_file_that_would_answer_otherwise_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(header: Any, frozen: Any, **options: Any) -> bytes:
        weight, bias = frozen.weights["conv1"]
        frozen.weights["conv1"] = weight * 1.5, bias
        return right(header, frozen, **options)

    right = onnx_graph
    monkeypatch.setattr(exporting, "onnx_graph", wrong)
    with pytest.raises(ModelError, match="answers otherwise"):
        export(model(), out=tmp_path / "m.onnx")
    assert not [*tmp_path.iterdir()]


def test_the_first_layer_that_differs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from hubel.graph import layers as graph
    from hubel.model.differs import first_difference

    made = model()
    pixels = np.random.default_rng(0).integers(0, 256, (1, 12, 16, 3), np.uint8)
    assert first_difference(made, "onnxruntime", pixels) == ""
    monkeypatch.setitem(graph.WRITERS, type(relu), lambda writer, step, value: writer.op("Neg", value))
    assert first_difference(made, "onnxruntime", pixels) == ", from relu1 on"


@pytest.mark.parametrize("to", ["onnx", "openvino", "pt2"])
def test_a_damaged_file_is_refused(to: str, tmp_path: Path) -> None:
    made = model()
    found = export(made, to=to, out=tmp_path / f"m{SUFFIX[to]}")
    weights = found.path.with_suffix(".bin") if to == "openvino" else found.path
    content = bytearray(weights.read_bytes())
    at = len(content) // 2
    if to == "pt2":  # within the bytes of the first kernels
        kernels = next(iter(made.network.state_dict().values())).numpy().tobytes()
        at = content.index(kernels) + 5
    content[at] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged|cut short"):
        open_exported(found.path)


def test_a_module_of_ones_own_goes_to_pt2_alone(tmp_path: Path) -> None:
    network = OwnNetwork(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), "8x8x1")
    made = Model(network, ("a", "b"), Preprocessing.of("8x8x1"))
    found = export(made, to="pt2", out=tmp_path / "own.pt2")
    image = np.full((8, 8, 1), 9, np.uint8)
    wanted = dict(made.predict(image).classes)
    assert dict(predict(found.path, image).classes) == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(ModelError, match="export it to pt2"):
        export(made, out=tmp_path / "own.onnx")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    for name in ("m.onnx", "n_onnx.py", "o.bin"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=r"o\.bin exists; name another file"):
        export(model(), to="openvino", out=tmp_path / "o.xml")
    for name in ("m.onnx", "n.onnx"):
        with pytest.raises(UsageError, match="exists; name another file"):
            export(model(), out=tmp_path / name)
    assert (tmp_path / "n_onnx.py").read_text() == "mine"
    (tmp_path / "o.bin").write_text("mine")
    with pytest.raises(UsageError, match=r"o\.bin exists"):
        export(model(), to="openvino", out=tmp_path / "o.xml")
    with pytest.raises(UsageError, match=r"has to end in \.xml"):
        export(model(), to="openvino", out=tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="did you mean onnx"):
        export(model(), to="onx")


def test_a_foreign_onnx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="was not exported by hubel"):
        predict(tmp_path / "empty.onnx", np.zeros((4, 4, 3), np.uint8))


def test_a_card_says_what_is_known(tmp_path: Path) -> None:
    made = model()
    found = export(made, to="card", out=tmp_path / "m.md")
    text = found.path.read_text("utf-8")
    assert "고양이, 개, 여우" in text
    assert repr(made.net) in text
    assert found.check is None


def test_a_model_exports_itself_by_the_ending(tmp_path: Path) -> None:
    made = model()
    made.save(tmp_path / "m.safetensors")
    for suffix in SUFFIX.values():
        assert load(tmp_path / "m.safetensors").export(tmp_path / f"m{suffix}").difference < 1e-5
    with pytest.raises(UsageError, match=r"has to end in \.onnx, \.xml, \.pt2"):
        made.export(tmp_path / "m.tflite")


def test_an_untrained_head_is_not_exported(tmp_path: Path) -> None:
    made = model()
    untrained = Model(made.network, made.classes, made.preprocessing, untrained=True)
    with pytest.raises(ModelError, match="never trained"):
        export(untrained, out=tmp_path / "m.onnx")


@pytest.mark.parametrize(("there", "by"), [(("torch", "openvino"), "openvino"), (("torch",), None)])
def test_what_is_installed_checks_a_file(
    there: tuple[str, ...], by: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.engines.engine.installed", lambda: there)
    monkeypatch.setattr(exporting, "installed", lambda: there)
    if by is None:
        with pytest.raises(UsageError, match=r"pip install \"hubel\[onnxruntime\]\""):
            export(model(), out=tmp_path / "m.onnx")
        return
    found = export(model(), out=tmp_path / "m.onnx")
    assert found.check is not None
    assert found.check.engine == by


def rewritten(path: Path, part: str, change: Any) -> None:
    """Changes a part of a .pt2, or adds it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    whole = next((name for name in parts if name.endswith(part)), f"archive/{part}")
    parts[whole] = change(parts.get(whole, b""))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_a_program_brings_no_code_along(tmp_path: Path) -> None:
    """What is put in is harmless; that it is of a kind which torch executes is enough."""
    pickled = pickle.dumps(Path("a path, which is no tensor"))
    changes = {
        "sample_inputs/model.pt": lambda _: pickled,
        "data/weights/model.pt": lambda _: pickled,
        "data/aotinductor/model/a.so": lambda _: b"",
        "weights_config.json": lambda text: text.replace(b'"use_pickle": false', b'"use_pickle": true', 1),
        "constants_config.json": lambda _: b'{"config": {"a": {"path_name": "opaque_obj_0"}}}',
        "models/model.json": lambda text: re.sub(rb'"expr_str": "[^"]*"', b'"expr_str": "len(s0)"', text),
        "model.json": lambda text: text.replace(b"torch.ops.aten.relu.default", b"collections.Counter"),
    }
    for number, (part, change) in enumerate(changes.items()):
        path = export(model(), to="pt2", out=tmp_path / f"m{number}.pt2").path
        rewritten(path, part, change)
        with pytest.raises(ModelError, match=r"torch would execute|not a program of PyTorch"):
            open_exported(path)


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".pt2"])
def test_files_from_elsewhere_give_a_message(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    if suffix == ".pt2":
        torch.export.save(torch.export.export(nn.ReLU(), (torch.zeros(2),)), path)
    else:
        value = onnx.helper.make_tensor_value_info
        kind = onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Relu", ["a"], ["b"])],
            "g",
            [value("a", kind, [1])],
            [value("b", kind, [1])],
        )
        proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        path.write_bytes(proto.SerializeToString())
        if suffix == ".xml":
            openvino.save_model(openvino.Core().read_model(path.read_bytes()), path)
            path.with_suffix(".bin").unlink()
    for opens in (open_exported, info):
        with pytest.raises(ModelError, match="was not exported by hubel"):
            opens(path)
    for content in (b"", b"PK\x03\x04", b"<net>", b"\x00" * 1000):
        path.write_bytes(content)
        for opens in (open_exported, info):
            with pytest.raises(ModelError):
                opens(path)


def test_an_exported_file_is_not_exported_again(tmp_path: Path) -> None:
    path = export(model(), out=tmp_path / "m.onnx").path
    with pytest.raises(ModelError, match="only predict, evaluate and info take an exported file"):
        export(path, to="openvino")
    (tmp_path / "d.onnx").mkdir()
    for opens in (open_exported, info):
        with pytest.raises(ModelError, match="is not a file"):
            opens(tmp_path / "d.onnx")


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = export(model(), to="openvino", out=tmp_path / "m.xml").path
    monkeypatch.setattr(engines, "installed", lambda: ("torch",))
    monkeypatch.delitem(sys.modules, "hubel.engines.openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    for to, name in (("onnx", "n.onnx"), ("openvino", "n.xml")):
        with pytest.raises(UsageError, match="pip install"):
            export(model(), to=to, out=tmp_path / name)
    with pytest.raises(UsageError, match="pip install"):
        info(path)
