"""`hubel draw`: a file of each kind, and the errors."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Hubel


@pytest.mark.parametrize(
    ("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("SVG", b"<?xml")]
)
def test_writes_each_kind(hubel: Hubel, tmp_path: Path, suffix: str, start: bytes) -> None:
    out = tmp_path / f"net.{suffix}"
    said = hubel("draw", "lenet5", "-o", out)
    assert (said.status, said.err) == (0, "")
    assert str(out) in said.out
    assert out.read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_draws_a_notation_on_the_input_that_is_given(hubel: Hubel, tmp_path: Path) -> None:
    out = tmp_path / "net.svg"
    assert hubel("draw", "conv(6, 5) >> relu >> fc(10)", "--input", "20x24x3", "-o", out).status == 0
    texts = {
        "".join(text.itertext()) for text in ElementTree.parse(out).iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"20×24×3", "16×20×6", "1×1×10", "conv1", "5×5"} <= texts


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["lenet5", "-o", "net.jpg"], 2, ".svg, .png, .pdf"),
        (["lenet5", "-o", "net"], 2, ".svg, .png, .pdf"),
        (["lenet5", "-o", "missing/net.svg"], 2, "there is no folder 'missing'"),
        (["lenet5", "-o", "folder.svg"], 2, "is a folder"),
        (["lenet5", "--input", "8x8x1", "-o", "net.svg"], 1, "the smallest square input is 32x32"),
        (["conv(6, 5)", "-o", "net.svg"], 2, "--input"),
        (["vgg61", "-o", "net.svg"], 1, "did you mean vgg"),
    ],
)
def test_errors(
    hubel: Hubel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.svg").mkdir()
    said = hubel("draw", *arguments)
    assert said.status == status
    assert message in said.err
    assert said.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["folder.svg"]
