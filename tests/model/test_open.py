"""Opening a model: a file, a run's folder, a name of the zoo; and what is none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError, UsageError
from hubel.model.file import Model, load
from hubel.model.header import read_header
from hubel.model.open import open_model

CLASSES = ("cat", "dog")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run with a best model."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.toml").touch()
    model = Model(build(parse("fc(2)"), "8x8x1", scores=True), CLASSES, Preprocessing.of("8x8x1"))
    model.save(folder / "best.safetensors")
    return folder


def test_a_runs_folder_stands_for_its_best_model(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = load(run / "best.safetensors").network.state_dict()
    monkeypatch.chdir(run.parent)
    monkeypatch.setenv("HOME", str(run.parent))
    for where in (run, str(run), "run", "~/run", run / "best.safetensors"):
        model = open_model(where)
        assert model.classes == CLASSES
        assert all(value.equal(weights[name]) for name, value in model.network.state_dict().items())
        assert read_header(where).classes == CLASSES
    assert open_model(model) is model


def test_a_folder_without_a_model_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "best.safetensors").unlink()
    with pytest.raises(ModelError, match=r"run has no best.safetensors: the run has not finished its first"):
        open_model(run)
    (run / "config.toml").unlink()
    with pytest.raises(ModelError, match="is a folder, but not a run's: it has neither"):
        open_model(run)
    with pytest.raises(ModelError, match="gone does not exist; give a model's file or a run's folder"):
        open_model(tmp_path / "gone")


def test_a_folder_of_runs_names_one_of_them(tmp_path: Path) -> None:
    (tmp_path / "two" / "1").mkdir(parents=True)
    (tmp_path / "two" / "1" / "best.safetensors").touch()
    with pytest.raises(ModelError, match=r"take it as an ensemble; give one of them, such as .*two/1"):
        open_model(tmp_path / "two")


def test_a_name_of_the_zoo_comes_before_a_folder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    run.rename("vgg16")
    with pytest.raises(UsageError, match="vgg16 comes without trained weights"):
        open_model("vgg16")
    assert open_model("./vgg16").classes == open_model(Path("vgg16")).classes == CLASSES


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"efficientnet_lit is neither .*; did you mean efficientnet_lite0"):
        open_model("efficientnet_lit")


def test_the_table_of_a_run_needs_no_tensors(run: Path) -> None:
    code = (
        "import sys; from hubel.cli import main; sys.argv = ['hubel', 'table', sys.argv[1]]\n"
        "try: main()\n"
        "finally: assert not {'torch', 'numpy', 'safetensors'} & sys.modules.keys()"
    )
    for where in (run, run / "best.safetensors"):
        done = subprocess.run(
            [sys.executable, "-c", code, where], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "fc(2)" in done.stdout
