"""`hubel data fetch`, from files on this machine."""

from __future__ import annotations

import gzip
import hashlib
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from hubel.data.formats.fetch import FETCHABLE, Fetchable, Remote
from hubel.data.sources import open_data
from tests.cli.conftest import Hubel


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images of 2x3 under the name and in the files of MNIST, and a cache of their own."""
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    contents = {
        "train-images-idx3-ubyte.gz": struct.pack(">IIII", 0x803, 2, 2, 3) + bytes(range(12)),
        "train-labels-idx1-ubyte.gz": struct.pack(">II", 0x801, 2) + b"\7\2",
    }
    files = []
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(gzip.compress(content))
        sha = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(Remote((path.as_uri(),), sha, path.stat().st_size))
    monkeypatch.setitem(FETCHABLE, "mnist", Fetchable(tuple(files)))


@pytest.mark.usefixtures("mnist")
def test_a_fetched_set_is_found_by_its_name(hubel: Hubel, tmp_path: Path) -> None:
    said = hubel("data", "fetch", "mnist")
    assert (said.status, said.err) == (0, "")
    assert str(tmp_path / "cache" / "data" / "mnist") in said.out
    assert "hubel train mnist\n" in said.out
    dataset = open_data("mnist", val=0)
    assert (dataset.name, dataset.classes, len(dataset.train)) == ("mnist", ("2", "7"), 2)


@pytest.mark.usefixtures("mnist")
def test_a_set_can_be_put_elsewhere(hubel: Hubel, tmp_path: Path) -> None:
    said = hubel("data", "fetch", "mnist", "--to", tmp_path / "my sets")
    folder = tmp_path / "my sets" / "mnist"
    assert said.status == 0
    assert f"hubel train '{folder}'\n" in said.out
    assert len(open_data(folder, val=0).train) == 2
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("mnist")
def test_a_set_that_cannot_be_fetched_is_one_line(hubel: Hubel, tmp_path: Path) -> None:
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    said = hubel("data", "fetch", "mnist")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("error: mnist: cannot be fetched from file://")
    assert said.err.count("\n") == 1


def test_an_unknown_set_is_an_error_of_usage(hubel: Hubel) -> None:
    said = hubel("data", "fetch", "fashion_mnist")
    assert said.status == 2
    assert "did you mean fashion-mnist?" in said.err


def test_the_command_line_starts_without_torch() -> None:
    code = "import sys, hubel.cli; sys.exit('torch' in sys.modules or 'platformdirs' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
