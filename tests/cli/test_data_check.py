"""`hubel data check`: what it says, and with which exit status."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Hubel


@pytest.fixture
def root(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(3):
            pixels = generator.integers(0, 256, (8, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    return tmp_path


def test_a_sound_set_ends_with_0(hubel: Hubel, root: Path) -> None:
    said = hubel("data", "check", root)
    assert (said.status, said.err) == (0, "")
    assert "6 images, 8 pixels high, 9 pixels wide" in said.out
    assert said.out.endswith("0 errors; 0 warnings; 0 notices\n")


def test_warnings_end_with_0_and_errors_with_1(hubel: Hubel, root: Path) -> None:
    (root / "cat" / "again.png").write_bytes((root / "cat" / "0.png").read_bytes())
    said = hubel("data", "check", root)
    assert said.status == 0
    assert said.out.endswith("0 errors; 1 warning; 0 notices\n")
    (root / "dog" / "cut.png").write_bytes((root / "dog" / "0.png").read_bytes()[:100])
    (root / "dog" / "notes.txt").write_text("")
    said = hubel("data", "check", root)
    assert said.status == 1
    assert "cut.png: is a damaged image" in said.out
    assert "notes.txt: is no image by its ending" in said.out
    assert said.out.endswith("2 errors; 1 warning; 0 notices\n")


def test_json(hubel: Hubel, root: Path) -> None:
    (root / "dog" / "empty.png").write_bytes(b"")
    said = hubel("data", "check", root, "--json")
    found = json.loads(said.out)
    assert said.status == 1
    assert found["errors"] == 1
    assert found["counts"] == {"train": {"cat": 3, "dog": 4}}
    assert found["findings"][0]["kind"] == "empty"
    assert found["findings"][0]["names"] == [str(root / "dog" / "empty.png")]


def test_what_is_no_set_is_refused(hubel: Hubel, tmp_path: Path) -> None:
    said = hubel("data", "check", tmp_path / "gone")
    assert said.status == 1
    assert said.err.startswith("error: ")
    assert "no such folder" in said.err
