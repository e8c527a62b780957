"""int8: the statistics by hand, what is kept, what is refused, and what a file says of itself."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.errors import ModelError, UsageError
from hubel.evaluation import int8 as judging
from hubel.evaluation.int8 import Judged, to_int8
from hubel.evaluation.trial import Trial, trial_images
from hubel.graph.seal import metadata_of
from hubel.model import exported
from hubel.model.file import Model, load
from hubel.tasks.export import export
from hubel.tasks.predict import predict
from hubel.tasks.train import train


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    run = tmp_path_factory.mktemp("int8") / "run"
    train("digits", net="conv(8, 3) >> relu >> maxpool(2) >> fc(10)", volume="16x16x1", epochs=3, out=run)
    return load(run)


def judged(name: str = "openvino", *, speed: float = 1, lost: int = 0, won: int = 0, bits: int = 8) -> Judged:
    return Judged(name, bits, "extremes", speed, 1000, lost, won)


def test_the_loss_and_its_bound_by_hand() -> None:
    each = judged(lost=12, won=4)
    assert each.drop == pytest.approx(0.8)
    # (12.5 - 4.5)/1002 + 1.645 sqrt((17/1002 - (8/1002)^2)/1000), in points
    assert each.at_most == pytest.approx(
        0.79840 + 100 * 1.645 * (0.0169661 - 0.0000637) ** 0.5 / 1000**0.5, abs=1e-3
    )
    assert judged().at_most > 0  # no difference on 1,000 images is not yet none


def test_the_bound_holds_nineteen_times_in_twenty() -> None:
    draw, inside = np.random.default_rng(0), 0
    for _ in range(2000):
        lost, won, _same = draw.multinomial(1000, [0.02, 0.01, 0.97])
        inside += Judged("a", 8, "b", 1, 1000, int(lost), int(won)).at_most >= 1.0
    assert 0.93 < inside / 2000 < 0.98


def test_of_the_fastest_the_most_accurate_is_kept() -> None:
    ways = [judged(speed=100, lost=4), judged(speed=97, lost=2), judged(speed=90)]
    assert judging._fastest(ways) is ways[1]


def test_a_model_in_int8_answers_nearly_alike_and_says_how_it_was_judged(model: Model) -> None:
    calibration, validation = trial_images(model, None, 64, "train"), trial_images(model, None, 400)
    assert validation.source == "digits, val"
    found = to_int8(model, calibration, validation, 1.0)
    assert found.kept.drop <= 1
    assert {(each.engine, each.bits) for each in found.tried} == {
        (engine, bits) for engine in ("openvino", "onnxruntime") for bits in (7, 8)
    }
    assert found.accuracy == pytest.approx(
        float((model.probabilities_of(validation.pixels).argmax(1).numpy() == validation.labels).mean())
    )
    about = json.loads(metadata_of(found.graph)["int8"])
    assert about["engine"] == found.kept.engine
    assert about["drop_at_most"] == pytest.approx(found.kept.at_most)


def test_layers_stay_in_float_where_int8_loses_too_much(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With weights of two bits a layer costs a lot; with the costliest in float it does not."""
    monkeypatch.setattr(judging._Judge, "ways", lambda self: iter([(2, "extremes", ())]))
    calibration, validation = trial_images(model, None, 64, "train"), trial_images(model, None, 400)
    found = to_int8(model, calibration, validation, 5.0, runtimes=("onnxruntime",))
    assert found.tried[0].drop > 5 >= found.kept.drop
    assert set(found.costs) == {"conv1", "fc1"}
    assert list(found.costs.values()) == sorted(found.costs.values(), reverse=True)
    assert found.kept.in_float == (next(iter(found.costs)),)
    with pytest.raises(ModelError, match="int8 would lose"):
        to_int8(model, calibration, validation, -99.0, runtimes=("onnxruntime",))


def test_int8_needs_images(model: Model) -> None:
    noise = Trial(np.zeros((4, 16, 16, 1), np.uint8), "noise")
    with pytest.raises(UsageError, match="name a labelled set with --data"):
        to_int8(model, noise, noise, 1.0)


def test_int8_is_judged_on_classes_that_the_model_knows(model: Model) -> None:
    calibration, some = trial_images(model, None, 16, "train"), trial_images(model, None, 20)
    assert some.labels is not None
    unknown = np.full(20, -1, np.int64)
    with pytest.raises(UsageError, match="none of the model's classes"):
        to_int8(model, calibration, replace(some, labels=unknown), 100)
    half = np.where(np.arange(20) % 2, some.labels, -1)
    found = to_int8(model, calibration, replace(some, labels=half), 100, runtimes=("onnxruntime",))
    assert found.kept.images == 10


@pytest.mark.parametrize("most", [float("nan"), -1, 101])
def test_what_int8_may_lose_is_a_number_of_points(model: Model, tmp_path: Path, most: float) -> None:
    with pytest.raises(UsageError, match="points from 0 to 100"):
        export(model, out=tmp_path / "m.onnx", int8=True, max_drop=most)


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_an_exported_file_in_int8_warns_on_another_processor(
    to: str, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / {"onnx": "m.onnx", "openvino": "m.xml"}[to]
    found = export(model, to=to, out=path, int8=True, max_drop=5)
    assert found.int8 is not None
    image = np.zeros((16, 16, 1), np.uint8)
    wanted = dict(model.predict(image, engine="torch").classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dict(predict(path, image).classes) == pytest.approx(wanted, abs=0.2)
    monkeypatch.setattr(exported, "processor", lambda: "another")
    with pytest.warns(UserWarning, match="judged on another processor"):
        predict(path, image)


def test_pt2_has_no_int8(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="onnx or openvino in int8"):
        export(model, to="pt2", out=tmp_path / "m.pt2", int8=True)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_the_example_program_uses_the_runtime_that_was_judged(
    runtime: str, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubel.tasks.export.RUNTIMES", (runtime,))
    found = export(model, out=tmp_path / "m.onnx", int8=True, max_drop=5)
    assert found.int8 is not None
    assert found.check is not None
    assert found.check.engine == found.int8.kept.engine == runtime
    assert f"import {runtime}" in (tmp_path / "m_onnx.py").read_text()
    pixels = np.full((16, 16), 200, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    run = [sys.executable, str(tmp_path / "m_onnx.py"), str(tmp_path / "a.png")]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert out.split()[1] == predict(found.path, pixels).label
