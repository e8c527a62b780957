"""Configs: TOML out, TOML in, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hubel.errors import UsageError
from hubel.train.config import Config

CONFIG = Config(data="digits", net='named("a", conv(6, 5)) >> fc(10)', input="32x32x1", lr=0.1, flip=True)


def test_toml_gives_back_an_equal_value(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.to_toml(), encoding="utf-8")
    assert Config.from_toml(path) == CONFIG


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('data = "d"\nnet = "n"\ninput = "1x1x1"\nepoch = 3\n', "no setting 'epoch'; did you mean epochs?"),
        ('data = "d"\nnet = "n"\n', "input must be set"),
        ('data = "d"\nnet = "n"\ninput = "1x1x1"\nepochs = "three"\n', "epochs is of type int, not 'three'"),
        ('data = "d"\nnet = "n"\ninput = "1x1x1"\nflip = 1\n', "flip is of type bool, not 1"),
        ('data = "d"\nnet = "n"\ninput = "1x1x1"\nlr = 0\n', "lr is above 0, not 0"),
        ("data = ", "is not TOML"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        Config.from_toml(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Config.from_toml(tmp_path / "none.toml")


def test_a_whole_number_serves_as_a_float(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('data = "d"\nnet = "n"\ninput = "1x1x1"\nclip = 2\n', encoding="utf-8")
    assert Config.from_toml(path).clip == 2.0


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch": 0},
        {"lr": -1.0},
        {"lr": float("nan")},
        {"momentum": 1.0},
        {"label_smoothing": -0.1},
        {"val": 0.0},
        {"val": 1.0},
        {"weight_decay": -1.0},
        {"clip": 0.0},
    ],
)
def test_ranges(change: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(change))):
        replace(CONFIG, **change)  # type: ignore[arg-type]
