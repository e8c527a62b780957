"""NumPy archives in every accepted layout, and files that are not such archives."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hubel.data.dataset import ArrayImages
from hubel.data.sources import open_data
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from hubel.data.arrays import Bytes

TWO = np.array([0, 1])


def pixels(count: int, *shape: int) -> Bytes:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def saved(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_the_layout_of_keras(tmp_path: Path) -> None:
    train, test = pixels(4, 5, 6), pixels(2, 5, 6)
    file = saved(
        tmp_path / "mnist.npz",
        x_train=train,
        y_train=np.array([7, 10, 2, 7], np.uint8),
        x_test=test,
        y_test=[2, 10],
    )
    dataset = open_data(file, val=0)
    assert (dataset.name, dataset.classes, dataset.val) == ("mnist", ("2", "7", "10"), None)
    assert dataset.train.labels.tolist() == [1, 2, 0, 1]
    assert dataset.test is not None
    assert dataset.test.labels.tolist() == [0, 2]
    assert np.array_equal(np.asarray(dataset.train.image(3)), train[3])
    assert np.array_equal(np.asarray(dataset.test.image(1)), test[1])
    assert (dataset.depth, dataset.size, dataset.mirror) == (1, (5, 6), False)
    assert dataset.train.name(3) == "train/3"


@pytest.mark.parametrize(
    ("images", "labels"), [("images", "labels"), ("x", "y"), ("train_images", "train_labels")]
)
@pytest.mark.parametrize("depth", [1, 3])
def test_other_names_and_a_column_of_labels_are_read(
    tmp_path: Path, images: str, labels: str, depth: int
) -> None:
    of = pixels(4, 5, 6, depth)
    held = pixels(2, 5, 6, depth)
    arrays = {images: of, labels: np.array([[1], [0], [1], [0]]), "x_val": held, "y_val": TWO}
    dataset = open_data(saved(tmp_path / "a.npz", **arrays, classes=np.array(["cat", "dog"])))
    assert dataset.classes == ("cat", "dog")
    assert isinstance(dataset.train, ArrayImages)
    assert np.array_equal(dataset.train.pixels, of)
    assert dataset.train.labels.tolist() == [1, 0, 1, 0]
    assert isinstance(dataset.val, ArrayImages)
    assert np.array_equal(dataset.val.pixels, held)


def test_labels_may_be_texts(tmp_path: Path) -> None:
    file = saved(
        tmp_path / "a.npz", x=pixels(3, 2, 2), y=["dog", "cat", "dog"], x_test=pixels(1, 2, 2), y_test=["cat"]
    )
    dataset = open_data(file, val=0)
    assert (dataset.classes, dataset.train.labels.tolist()) == (("cat", "dog"), [1, 0, 1])
    assert dataset.test is not None
    assert dataset.test.labels.tolist() == [0]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"x": np.zeros((2, 3, 3), np.float32), "y": TWO}, "x is float32; images are uint8"),
        ({"x": np.zeros((2, 3, 3)), "y": TWO}, "np.rint(x * 255).astype(np.uint8)"),
        ({"x": np.zeros((2, 3, 3), np.int64), "y": TWO}, "x is int64; images are uint8"),
        ({"x": pixels(2, 9), "y": TWO}, "x is 2 x 9; images are n x height x width"),
        ({"x": pixels(2, 3, 8, 8), "y": TWO}, "move the channels to the end with x.transpose(0, 2, 3, 1)"),
        ({"x": pixels(2, 8, 8, 4), "y": TWO}, "x is 2 x 8 x 8 x 4"),
        ({"x": pixels(0, 8, 8), "y": TWO[:0]}, "x is 0 x 8 x 8"),
        ({"x": pixels(2, 3, 3), "y": [0, 1, 2]}, "x are 2 images, but y is 3"),
        ({"x": pixels(2, 3, 3), "y": np.eye(2, dtype=int)}, "but y is 2 x 2; give one label per image"),
        ({"x": pixels(2, 3, 3), "y": [0.0, 1.0]}, "labels are float64; use whole numbers or texts"),
        (
            {"x": pixels(2, 3, 3), "y": TWO, "x_val": pixels(2, 3, 3), "y_val": ["0", "1"]},
            "the same in all splits",
        ),
        ({"x": pixels(2, 3, 3)}, "has x but no y"),
        ({"y": TWO}, "has y but no x"),
        ({"x": pixels(2, 3, 3), "y": TWO, "x_test": pixels(1, 3, 3)}, "has x_test but no y_test"),
        (
            {"x_test": pixels(2, 3, 3), "y_test": TWO},
            "no training images, which must be called images and labels or",
        ),
        (
            {"x": pixels(2, 3, 3), "y": TWO, "images": pixels(2, 3, 3)},
            "images and x and y all belong to the train",
        ),
        ({"x_tran": pixels(2, 3, 3), "y_train": TWO}, "unknown array 'x_tran'; did you mean x_train?"),
        ({"x": pixels(2, 3, 3), "y": TWO, "classes": [1, 2]}, "classes is int64 of 2; use a list of texts"),
        ({"x": pixels(2, 3, 3), "y": TWO, "classes": ["a"]}, "one class, 'a'"),
        ({"x": pixels(2, 3, 3), "y": TWO, "classes": ["a", "b"], "class_names": ["a", "b"]}, "keep one"),
        ({"x": pixels(2, 3, 3), "y": np.array(["a", 1], object)}, "Object arrays cannot be loaded"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, arrays: dict[str, Any], reason: str) -> None:
    file = saved(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError) as caught:
        open_data(file)
    assert reason in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    whole = saved(tmp_path / "b.npz", x=pixels(2, 30, 30), y=TWO).read_bytes()
    damaged = bytearray(whole)
    damaged[200] ^= 255
    for content in (b"", b"x", b"nothing", b"<html>not found</html>"):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz: not a \.npz file; save .*\(x=, y=\)$"):
            open_data(file)
    for content in (b"PK\x03\x04 nothing", whole[:-30], whole[:100], bytes(damaged)):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz: not a \.npz file of plain arrays"):
            open_data(file)
    np.save(tmp_path / "c.npy", TWO)
    (tmp_path / "c.npy").replace(file)
    with pytest.raises(DataError, match="one array without a name"):
        open_data(file)


@pytest.mark.parametrize("dtype", ["|u1", "<f8"])
def test_an_array_that_states_an_absurd_size_is_refused_before_it_is_allocated(
    tmp_path: Path, dtype: str
) -> None:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1000000, 1000, 1000)}}"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", start + bytes(1000))
        archive.writestr("y.npy", start + bytes(1000))
    with pytest.raises(DataError, match=r"x\.npy states [0-9,]+ bytes, but has 1,0"):
        open_data(tmp_path / "a.npz")


def test_a_header_that_is_no_python_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.npz", x=pixels(4, 5, 6), y=TWO)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["x.npy"] = members["x.npy"].replace(b"'descr'", b"'descr\0")
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(DataError, match=r"not a \.npz file of plain arrays"):
        open_data(file)
