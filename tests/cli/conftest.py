"""The command line as a person meets it: arguments in, exit status and two streams out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import pytest
from PIL import Image

from hubel.cli import main
from tests.tasks.look.small import saved_model


class Said(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


Hubel: TypeAlias = Callable[..., Said]


@pytest.fixture
def hubel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hubel:
    """Runs `hubel ARGUMENTS...` and returns what it said; an exception that escapes fails the test."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["hubel", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The file of a small untrained model of 10x10 colour images; its classes are cat and dog."""
    return saved_model(tmp_path / "model.safetensors")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of two classes, six images of 10x10 each."""
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            pixels = generator.integers(0, 256, (10, 10, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"
