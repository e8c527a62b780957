"""Texts that are no text: pipes, and JSON or TOML nested a hundred thousand deep, wherever one is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch

import hubel
from hubel.errors import HubelError
from hubel.files import parse_json, read_text
from hubel.model.file import load
from hubel.training.settings.config import Config
from tests.tasks.look.small import saved_model

DEEP = "[" * 100_000

READERS: dict[str, Callable[[Path], object]] = {
    "config": lambda path: hubel.train(config=path),
    "recipe": lambda path: hubel.train("digits", recipe=str(path)),
    "weights": lambda path: hubel.import_weights(path, net="resnet18"),
    "model": hubel.load,
    "set": hubel.data_check,
    "manifest": lambda path: hubel.data_check(path.rename(path.with_suffix(".csv"))),
    "arrays": lambda path: hubel.data_check(path.rename(path.with_suffix(".npz"))),
    "network": lambda path: hubel.table(f"{path.rename(path.with_suffix('.py'))}:net", "8x8x3"),
    "run": lambda path: hubel.resume(path.parent),
}
"""Whatever reads a file that a user names; `config.toml` stands in a run's folder."""


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused_at_once(reader: str, tmp_path: Path) -> None:
    """Opened, it would wait for a writer for ever."""
    (tmp_path / "run").mkdir()
    pipe = tmp_path / "run" / "config.toml"
    os.mkfifo(pipe)
    with pytest.raises((HubelError, OSError)):
        READERS[reader](pipe)


@pytest.mark.parametrize("entry", ["preprocessing", "summary", "classes", "versions"])
def test_deep_json_in_a_model_is_damage(entry: str, tmp_path: Path) -> None:
    path = saved_model(tmp_path / "model.safetensors")
    with safetensors.safe_open(path, "pt") as file:
        metadata = {**file.metadata(), entry: DEEP}
    del metadata["sha256"]
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, metadata)
    with pytest.raises(hubel.HubelError, match="nested too deep"):
        load(path)


def test_deep_json_in_a_header_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(DEEP).to_bytes(8, "little") + DEEP.encode())
    with pytest.raises(HubelError, match="not a safetensors file"):
        load(path)


def test_deep_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"data = {DEEP}")
    with pytest.raises(HubelError, match="nested too deep"):
        Config.from_toml(path)


def test_deep_metrics_are_damage(tmp_path: Path) -> None:
    saved_model(tmp_path / "best.safetensors")
    (tmp_path / "config.toml").write_text('data = "x"\nnet = "fc(2)"\ninput = "8x8x1"\n')
    (tmp_path / "metrics.jsonl").write_text(f'{{"epoch": 1, "val_top1": 1.0}}\n{DEEP}\n{{"epoch": 3}}\n')
    with pytest.raises(HubelError, match="line 2 is damaged"):
        _ = hubel.Run(tmp_path).history


def test_the_readers() -> None:
    assert parse_json('{"a": [1]}') == {"a": [1]}
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json(DEEP)
    with pytest.raises(OSError, match="not a regular file"):
        read_text(Path("/dev/zero"))
