"""The wheel, installed outside of the checkout, works and holds every asset; `make dist-test` builds it.

The environment is a fresh one but for the dependencies, which are those already installed: a `.pth` file
leads to them. hubel itself comes from the wheel alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DIST = os.environ.get("HUBEL_DIST", "")
"""The folder of the wheel and the source distribution."""

CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

pytestmark = pytest.mark.skipif(not DIST, reason="make dist-test builds the wheel and sets HUBEL_DIST")


def built(ending: str) -> Path:
    [file] = Path(DIST).glob(f"*{ending}")
    return file.resolve()


def assets() -> set[str]:
    """Every file of the package that is no Python, with its path from src/."""
    package = ROOT / "src" / "hubel"
    files = (path for path in package.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})
    return {path.relative_to(package.parent).as_posix() for path in files}


@pytest.fixture(scope="module")
def bin_(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    installed = next(path for path in sys.path if path.endswith("site-packages"))
    packages.joinpath("dependencies.pth").write_text(f"{installed}\n", encoding="utf-8")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "bin" / "python",
        "install",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*pip, built(".whl")], check=True, env=CLEAN, capture_output=True)
    return folder / "bin"


def run(bin_: Path, place: Path, *arguments: str) -> str:
    """Runs hubel of the wheel in a folder and returns what it prints."""
    done = subprocess.run(
        [bin_ / "hubel", *arguments], cwd=place, env=CLEAN, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_every_asset() -> None:
    with zipfile.ZipFile(built(".whl")) as wheel:
        there = set(wheel.namelist())
    assert len(assets()) >= 7
    assert assets() <= there
    assert not [name for name in there if name.startswith("tests")]


def test_the_source_distribution_holds_every_asset() -> None:
    with tarfile.open(built(".tar.gz")) as source:
        there = {name.partition("/")[2] for name in source.getnames()}
    assert {f"src/{name}" for name in assets()} | {"pyproject.toml", "README.md", "LICENSE"} <= there


def test_it_is_the_wheels(bin_: Path, tmp_path: Path) -> None:
    code = "import hubel; print(hubel.__file__)"
    place = subprocess.run(
        [bin_ / "python", "-c", code], cwd=tmp_path, env=CLEAN, capture_output=True, text=True, check=True
    )
    assert Path(place.stdout).is_relative_to(bin_.parent)
    version = built(".whl").name.split("-")[1]
    assert run(bin_, tmp_path, "--version") == f"hubel {version}\n"


def test_a_table(bin_: Path, tmp_path: Path) -> None:
    assert "138,357,544" in run(bin_, tmp_path, "table", "vgg16")


def test_a_model_is_trained_and_predicts(bin_: Path, tmp_path: Path) -> None:
    run(bin_, tmp_path, "train", "digits", "--net", "lenet5", "--epochs", "2", "--out", "run")
    assert (tmp_path / "run" / "report.html").exists()
    image = ROOT / "docs" / "images" / "three.png"
    printed = run(bin_, tmp_path, "predict", "run/best.safetensors", str(image), "--top", "1")
    assert "three.png" in printed


def test_the_classes_of_imagenet_are_there(bin_: Path, tmp_path: Path) -> None:
    code = "from hubel.zoo.imagenet import imagenet_classes; print(len(imagenet_classes()))"
    found = subprocess.run(
        [bin_ / "python", "-c", code], cwd=tmp_path, env=CLEAN, capture_output=True, text=True, check=True
    )
    assert found.stdout == "1000\n"
