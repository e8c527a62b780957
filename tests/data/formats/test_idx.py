"""IDX files, written here byte by byte as LeCun's page describes them."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.data.dataset import ArrayImages
from hubel.data.formats import idx
from hubel.data.formats.idx import DEBIAN_FASHION_MNIST, read_array, read_idx
from hubel.data.sources import open_data
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = bytes(range(2 * 3)) * 4  # four images of 2x3
LABELS = bytes([7, 3, 7, 4])


def idx_images(content: bytes, count: int, height: int, width: int) -> bytes:
    return struct.pack(">IIII", 0x00000803, count, height, width) + content


def idx_labels(content: bytes) -> bytes:
    return struct.pack(">II", 0x00000801, len(content)) + content


def plant(
    folder: Path, split: str, images: bytes, labels: bytes, *, packed: bool = True, dot: str = "-"
) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in ((f"images{dot}idx3", images), (f"labels{dot}idx1", labels)):
        if packed:
            (folder / f"{split}-{name}-ubyte.gz").write_bytes(gzip.compress(content))
        else:
            (folder / f"{split}-{name}-ubyte").write_bytes(content)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dot", ["-", "."])
def test_images_and_labels_are_read(tmp_path: Path, packed: bool, dot: str) -> None:
    folder = tmp_path / "written"
    plant(folder, "train", idx_images(IMAGES, 4, 2, 3), idx_labels(LABELS), packed=packed, dot=dot)
    plant(folder, "t10k", idx_images(IMAGES[:6], 1, 2, 3), idx_labels(b"\4"), packed=packed, dot=dot)
    dataset = open_data(folder, val=0)
    assert (dataset.name, dataset.classes) == ("written", ("3", "4", "7"))
    assert [dataset.classes[label] for label in dataset.train.labels] == ["7", "3", "7", "4"]
    assert np.asarray(dataset.train.image(2)).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert dataset.train.name(2) == "train/2"
    assert dataset.test is not None
    assert dataset.classes[dataset.test.labels[0]] == "4"
    assert (dataset.depth, dataset.size, dataset.mirror) == (1, (2, 3), False)


def test_there_may_be_no_test_split(tmp_path: Path) -> None:
    plant(tmp_path, "train", idx_images(IMAGES, 4, 2, 3), idx_labels(LABELS))
    assert read_idx(tmp_path).test is None


def test_the_folder_above_raw_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "MNIST").mkdir()
    plant(tmp_path / "MNIST" / "raw", "train", idx_images(IMAGES, 4, 2, 3), idx_labels(LABELS))
    assert len(open_data(tmp_path, val=0).train) == 4


@settings(deadline=None)
@given(st.integers(0, 39))
def test_every_truncation_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("idx") / "train-images-idx3-ubyte"
    path.write_bytes(idx_images(IMAGES, 4, 2, 3)[:length])
    with pytest.raises(DataError) as caught:
        read_array(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG....", "not an IDX file"),
        (struct.pack(">II", 0x00000D01, 0), "IDX type 0x0d"),
        (idx_labels(LABELS) + b"\0", "its header states 4, 12 bytes; it has 13"),
        (gzip.compress(idx_labels(LABELS), mtime=0)[:-6], "its gzip data are damaged"),
        (b"\x1f\x8b nonsense", "its gzip data are damaged"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_array(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_files_of_different_sets_are_refused(tmp_path: Path) -> None:
    images = idx_images(IMAGES, 4, 2, 3)
    plant(tmp_path, "train", images, idx_labels(LABELS[:3]))
    with pytest.raises(DataError, match="4 train images but 3 labels"):
        read_idx(tmp_path)
    plant(tmp_path, "train", idx_labels(LABELS), idx_labels(LABELS))
    with pytest.raises(DataError, match="train images have 3 dimensions"):
        read_idx(tmp_path)
    plant(tmp_path, "train", idx_images(b"", 0, 2, 3), idx_labels(b""))
    with pytest.raises(DataError, match="none of them is 0"):
        read_idx(tmp_path)
    plant(tmp_path, "train", images, idx_labels(LABELS))
    plant(tmp_path, "t10k", images, idx_labels(b"\7\7\7\5"))
    with pytest.raises(DataError, match="t10k files have label 5"):
        read_idx(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte is missing"):
        read_idx(tmp_path)


def test_fashion_mnist_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx, "DEBIAN_FASHION_MNIST", tmp_path / "gone")
    with pytest.raises(DataError, match="apt-get install dataset-fashion-mnist"):
        open_data("fashion-mnist")


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_fashion_mnist_is_as_its_authors_published_it() -> None:
    dataset = open_data("fashion-mnist", val=0)
    assert isinstance(dataset.train, ArrayImages)
    assert dataset.test is not None
    assert (dataset.name, len(dataset.train), len(dataset.test)) == ("fashion-mnist", 60000, 10000)
    assert (dataset.classes[0], dataset.classes[9], dataset.mirror) == ("T-shirt/top", "Ankle boot", True)
    assert np.bincount(dataset.train.labels).tolist() == [6000] * 10
    assert dataset.classes[dataset.train.labels[0]] == "Ankle boot"
    assert dataset.train.pixels.mean() / 255 == pytest.approx(0.2860, abs=5e-5)  # the values in common use
    assert dataset.train.pixels.std() / 255 == pytest.approx(0.3530, abs=5e-5)


@pytest.mark.parametrize("zipped", [False, True])
def test_absurd_headers_are_refused(tmp_path: Path, zipped: bool) -> None:
    for dimensions, sizes in ((65, bytes(260)), (255, bytes(1020)), (3, b"\xff" * 12)):
        content = bytes([0, 0, 8, dimensions]) + sizes
        path = tmp_path / "train-images-idx3-ubyte"
        path.write_bytes(gzip.compress(content) if zipped else content)
        with pytest.raises(DataError, match="its header states"):
            read_array(path)


def test_of_a_gzipped_file_no_more_is_unpacked_than_its_header_states(tmp_path: Path) -> None:
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 4]) + bytes(10**8)))
    tracemalloc.start()
    with pytest.raises(DataError, match="12 bytes; it has 13"):
        read_array(path)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()
