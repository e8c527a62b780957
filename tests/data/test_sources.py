"""Opening a set by name or path."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.data.dataset import ArrayImages
from hubel.data.sources import NAMED, open_data, whereabouts
from hubel.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_digits() -> None:
    pytest.importorskip("sklearn")
    dataset = open_data("digits", val=0.2)
    assert dataset.val is not None
    assert dataset.test is None
    assert (dataset.name, dataset.classes) == ("digits", tuple("0123456789"))
    assert len(dataset.train) + len(dataset.val) == 1797
    assert (dataset.depth, dataset.size, dataset.mirror) == (1, (8, 8), False)
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # scikit-learn's description of the set
    both = np.bincount(dataset.train.labels) + np.bincount(dataset.val.labels)
    assert both.tolist() == counts
    assert np.bincount(dataset.val.labels).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]


def test_digits_are_scikit_learns_scaled_to_bytes() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    train = open_data("digits", val=0).train
    assert isinstance(train, ArrayImages)
    assert set(np.unique(train.pixels)) == {int(value * 15.9375 + 0.5) for value in range(17)}
    theirs = datasets.load_digits()
    assert (train.labels == theirs.target).all()
    assert (train.pixels[..., 0] == (theirs.images * 15.9375 + 0.5).astype(int)).all()
    # the first row of the first digit is 0 0 5 13 9 1 0 0 in the set's file
    assert train.pixels[0, 0, :, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert train.name(7) == "digits/0007"


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match=r'pip install "hubel\[digits\]"'):
        open_data("digits")


def test_digits_in_another_place_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr("hubel.data.formats.digits.FILE", "moved.csv")
    with pytest.raises(DataError, match=r"has no .*moved\.csv"):
        open_data("digits")


def test_a_path_is_never_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / "digits" / name).mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / "digits" / name / "1.png")
    assert open_data(Path("digits"), val=0).classes == ("cat", "dog")
    assert open_data("./digits", val=0).classes == ("cat", "dog")


def test_an_unknown_set_is_refused_with_what_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_data("fashion-mnits")
    message = str(caught.value)
    assert "did you mean fashion-mnist?" in message
    assert all(name in message for name in NAMED)
    assert all(
        word in message
        for word in ("ROOT/CLASS", "ROOT/train/CLASS", "IDX", "CIFAR-100", ".npz", "path,label")
    )
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.tar\.gz: a file; if it is an archive, unpack it"):
        open_data(tmp_path / "a.tar.gz")


def test_a_file_the_system_refuses_to_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: cannot be read: Is a directory"):
        open_data(tmp_path)


def test_a_seed_is_not_negative() -> None:
    with pytest.raises(DataError, match="at least 0, not -1"):
        open_data("digits", seed=-1)


@pytest.mark.parametrize("val", [-0.1, 1.0, float("nan")])
def test_val_is_a_share_below_1(val: float) -> None:
    with pytest.raises(DataError, match="from 0 to below 1"):
        open_data("digits", val=val)


def plant(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2)).save(root / name)


def test_a_set_that_is_not_downloaded_names_the_command(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        open_data("cifar10")
    assert (
        str(caught.value)
        == f"cifar10: {cache / 'data' / 'cifar10'} is missing; run `hubel data fetch cifar10`"
    )
    (tmp_path / "cifar10").mkdir()
    with pytest.raises(DataError, match=r"fetch cifar10`, or give \./cifar10 for the folder"):
        open_data("cifar10")


def test_a_downloaded_set_of_coded_class_folders_gets_class_names(cache: Path) -> None:
    codes = ["n01440764", "n02102040", "n02979186", "n03000684", "n03028079"]
    codes += ["n03394916", "n03417042", "n03425413", "n03445777", "n03888257"]
    inside = cache / "data" / "imagenette-160" / "imagenette2-160"
    plant(inside, *(f"{split}/{code}/1.png" for split in ("train", "val") for code in codes))
    (inside / "noisy_imagenette.csv").write_text("path,noisy_labels_0\n")
    for where, name in (("imagenette-160", "imagenette-160"), (inside.parent, inside.name)):
        dataset = open_data(where)
        assert (dataset.name, len(dataset.train)) == (name, 10)
        named = dataset.classes[0], dataset.classes[4], dataset.classes[9]
        assert named == ("tench", "church", "parachute")
        assert dataset.train.labels.tolist() == list(range(10))
        assert "n03028079" in dataset.train.name(4)


def test_a_set_is_found_again_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert whereabouts("cifar10") == "cifar10"
    assert whereabouts("hf:ylecun/mnist@main") == "hf:ylecun/mnist@main"
    assert whereabouts("pets.csv") == str(tmp_path / "pets.csv")
    assert whereabouts("shards/{0..9}.tar") == str(tmp_path / "shards" / "{0..9}.tar")


@pytest.mark.parametrize("name", ["gone.csv", "gone.npz", "gone.parquet", "gone.tar"])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no such folder or file"):
        open_data(tmp_path / name)


def test_an_empty_name_is_not_the_current_folder() -> None:
    with pytest.raises(UsageError, match="no data set is named"):
        open_data("")
