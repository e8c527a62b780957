"""The benchmark of engines: what it measures, what `auto` takes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hubel.engines.choice import chosen, remember
from hubel.engines.figures import Benchmark, EngineFigures, Pace
from hubel.errors import UsageError
from hubel.evaluation.trial import NOISE, Trial
from hubel.model.classifier import digest_of
from hubel.net.names import conv, fc, relu
from hubel.report import bench as report
from hubel.tasks import bench as task
from hubel.tasks import bench_subject
from hubel.tasks.bench import bench
from hubel.tasks.bench_subject import untrained
from hubel.tasks.export import export


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    return bench(conv(4, 3) >> relu >> fc(3), volume="8x8x3", batch=(1, 2), seconds=0.01)


def test_every_engine_is_measured(found: Benchmark) -> None:
    names = {"torch", "torch-fused", "torch-bf16", "openvino", "openvino-bf16", "onnxruntime"}
    assert {each.name for each in found.engines} == names
    for each in found.engines:
        assert [pace.batch for pace in each.paces] == [1, 2]
        assert all(0 < pace.median <= pace.p99 for pace in each.paces)
        assert each.ready > 0
        assert each.memory > 10e6
        assert each.difference < (0.02 if each.name.endswith("-bf16") else 1e-5)
        assert each.agreement is None
    assert found.images == NOISE
    assert not found.auto.endswith("-bf16")


def test_the_table_and_the_json_hold_the_figures(found: Benchmark) -> None:
    text = report.as_text(found)
    for each in found.engines:
        assert f"{1e3 * each.paces[0].median:.2f}" in text
    assert f"auto takes {found.auto}" in text
    assert json.loads(report.as_json(found))["engines"][0]["paces"][0]["batch"] == 1


def figures(name: str, milliseconds: float, agreement: float | None = 1.0) -> EngineFigures:
    return EngineFigures(name, (Pace(1, milliseconds / 1e3, 1.0),), agreement=agreement)


@pytest.mark.parametrize(
    ("agreement", "images", "source", "auto"),
    [
        (1.0, 200, "cats", "openvino-bf16"),
        (0.985, 200, "cats", "onnxruntime"),
        (1.0, 99, "cats", "onnxruntime"),
        (None, 200, NOISE, "onnxruntime"),
    ],
)
def test_bfloat16_is_taken_only_where_it_agrees(
    agreement: float | None, images: int, source: str, auto: str
) -> None:
    engines = [figures("openvino-bf16", 1, agreement), figures("onnxruntime", 2), figures("torch", 9)]
    trial = Trial(np.zeros((images, 1, 1, 1), np.uint8), source)
    assert task._best(engines, trial)[0] == auto


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of a small model."""
    path = tmp_path / "m.safetensors"
    untrained(conv(4, 3) >> relu >> fc(3), "8x8x3").save(path)
    return path


@pytest.fixture
def only_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_subject, "installed", lambda: ("torch", "onnxruntime"))


@pytest.mark.usefixtures("only_onnxruntime")
def test_the_choice_is_remembered_for_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "ENOUGH_SECONDS", 0.01)
    done: list[str] = []
    auto = bench(file, batch="2", seconds=0.01, progress=done.append).auto
    assert chosen(digest_of(file)) == auto
    assert done[-1] == "onnxruntime: starting a process"


@pytest.mark.usefixtures("only_onnxruntime")
def test_what_was_measured_too_shortly_is_not_remembered(file: Path) -> None:
    remember(digest_of(file), "torch-fused")
    assert "not remembered" in bench(file, batch="1", seconds=0.01).why
    assert chosen(digest_of(file)) == "torch-fused"


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".pt2"])
def test_an_exported_file_is_measured_with_the_engines_that_run_it(
    suffix: str, file: Path, tmp_path: Path
) -> None:
    path = export(file, out=tmp_path / f"m{suffix}", to={".xml": "openvino"}.get(suffix, suffix[1:])).path
    found = bench(path, batch="1", seconds=0.01)
    names = {".onnx": {"openvino", "openvino-bf16", "onnxruntime"}, ".xml": {"openvino", "openvino-bf16"}}
    assert {each.name for each in found.engines if not each.error} == names.get(suffix, {"torch"})
    assert found.reference == ("torch" if suffix == ".pt2" else "openvino")
    assert all(each.memory > 10e6 and each.difference < 0.02 for each in found.engines)
    assert suffix == ".onnx" or found.auto == found.reference


def test_a_model_has_its_own_input(file: Path) -> None:
    with pytest.raises(UsageError, match="is for a network without a model"):
        bench(file, volume="16x16x3")


def test_a_module_of_ones_own_is_measured_from_its_model_file() -> None:
    with pytest.raises(UsageError, match=r"own\.py:make_model is a module of your own"):
        bench("own.py:make_model")


@pytest.mark.parametrize("batch", ["", "0", "a", "1,,2", (), [0]])
def test_a_batch_is_a_number_of_images(batch: str) -> None:
    with pytest.raises(UsageError, match="batch is one or more numbers of images"):
        bench("lenet5", batch=batch)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1])
def test_a_measurement_takes_a_finite_time(seconds: float) -> None:
    with pytest.raises(UsageError, match="how long to measure"):
        bench("lenet5", seconds=seconds)
