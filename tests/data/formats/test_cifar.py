"""CIFAR-10 and CIFAR-100 in both versions; the pickles are those Python 2 would write."""

from __future__ import annotations

import os
import pickle
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hubel.data.sources import open_data
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def py2(value: object) -> bytes:
    """The opcodes with which Python 2 pickles a value in protocol 2."""
    if isinstance(value, str):
        return b"U" + bytes([len(value)]) + value.encode()
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(py2, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(py2(key) + py2(item) for key, item in value.items()) + b"u"
    assert isinstance(value, np.ndarray)
    content = value.tobytes()
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"(" + b"".join(py2(side) for side in value.shape) + b"t"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    return made + b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(content)) + content + b"tb"


def dumped(value: object) -> bytes:
    return b"\x80\x02" + py2(value) + b"."


def rows(count: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


FILES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
LABELS = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [3, 9, 0]]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for seed, (name, labels) in enumerate(zip(FILES, LABELS, strict=True)):
        batch = {
            "batch_label": name,
            "labels": labels,
            "data": rows(len(labels), seed),
            "filenames": ["x.png"],
        }
        (folder / name).write_bytes(dumped(batch))
    (folder / "batches.meta").write_bytes(dumped({"num_vis": 3072, "label_names": NAMES}))
    return folder


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for seed, (name, labels) in enumerate(zip(FILES, LABELS, strict=True)):
        records = zip(labels, rows(len(labels), seed), strict=True)
        (folder / f"{name}.bin").write_bytes(
            b"".join(bytes([label]) + row.tobytes() for label, row in records)
        )
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return folder


@pytest.mark.parametrize("version", ["python", "binary"])
@pytest.mark.parametrize("above", [False, True])
def test_both_versions_are_read(request: pytest.FixtureRequest, version: str, above: bool) -> None:
    folder: Path = request.getfixturevalue(version)
    dataset = open_data(folder.parent if above else folder, val=0)
    assert (dataset.name, dataset.classes) == ("cifar-10", tuple(NAMES))
    assert dataset.train.labels.tolist() == list(range(10))
    assert dataset.test is not None
    assert dataset.test.labels.tolist() == [3, 9, 0]
    assert (dataset.depth, dataset.size, dataset.mirror) == (3, (32, 32), True)
    pixels = np.asarray(dataset.train.image(5))  # the second image of data_batch_3
    row = rows(2, 2)[1]
    for y, x in ((0, 0), (0, 31), (31, 0), (7, 20)):  # red plane, then green, then blue, each by rows
        assert pixels[y, x].tolist() == [row[y * 32 + x], row[1024 + y * 32 + x], row[2048 + y * 32 + x]]
    assert dataset.train.name(5) == "train/5"


def test_two_versions_in_one_folder_are_refused(python: Path, binary: Path) -> None:
    with pytest.raises(DataError, match=r"holds several sets; give one of .*-py, .*-bin"):
        open_data(python.parent)


class Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("attacked",)


@pytest.mark.parametrize("protocol", range(6))
def test_malicious_code_is_refused_and_not_run(
    python: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.chdir(python.parent)
    (python / "data_batch_2").write_bytes(pickle.dumps({"data": Attack()}, protocol))
    with pytest.raises(DataError, match=r"data_batch_2: .* asks for (posix|nt)\.mkdir"):
        open_data(python)
    assert not (python.parent / "attacked").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("data_batch_4", None, "missing"),
        ("data_batch_4", b"", "not a CIFAR file"),
        ("data_batch_4", dumped({"labels": [0], "data": rows(1, 0)})[:-50], "not a CIFAR file"),
        ("data_batch_4", dumped([1]), "a pickled list, not a dict"),
        ("data_batch_4", dumped({"labels": [0]}), "called data"),
        ("data_batch_4", dumped({"labels": [0], "data": rows(1, 0)[:, :100]}), "called data"),
        ("data_batch_4", dumped({"labels": ["cat"], "data": rows(1, 0)}), "called labels"),
        ("data_batch_4", dumped({"fine_labels": [0], "data": rows(1, 0)}), "called labels"),
        ("data_batch_4", dumped({"labels": [0, 1], "data": rows(1, 0)}), "1 images but 2 labels"),
        ("batches.meta", None, "missing"),
        ("batches.meta", dumped({"label_names": "cat"}), "label_names"),
    ],
)
def test_a_wrong_python_file_is_refused_by_name(
    python: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is None:
        (python / name).unlink()
    else:
        (python / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_data(python)
    assert f"{python / name}: " in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("test_batch.bin", None, "missing"),
        ("test_batch.bin", b"\0" * 3074, "3074 bytes are not a whole number of records of 3073"),
        ("test_batch.bin", b"", "0 bytes"),
        ("batches.meta.txt", None, "missing"),
        ("batches.meta.txt", b"\xff\xfe", "not text"),
    ],
)
def test_a_wrong_binary_file_is_refused_by_name(
    binary: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is None:
        (binary / name).unlink()
    else:
        (binary / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_data(binary)
    assert f"{binary / name}: " in str(caught.value)
    assert reason in str(caught.value)


def test_a_label_beyond_the_classes_is_refused(binary: Path) -> None:
    (binary / "test_batch.bin").write_bytes(b"\x0a" + b"\0" * 3072)
    with pytest.raises(DataError, match="test/0 has label 10, but classes are numbered 0 to 9"):
        open_data(binary)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("as_bytes", [False, True])
def test_batches_pickled_by_python_3_are_read(tmp_path: Path, protocol: int, as_bytes: bool) -> None:
    """As rewritten today: other names of NumPy's functions, keys of bytes, labels as an array."""

    def key(name: str) -> str | bytes:
        return name.encode() if as_bytes else name

    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for seed, name in enumerate(names):
        labels = list(range(10))
        batch = {key("data"): rows(10, seed), key("labels"): np.array(labels) if as_bytes else labels}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol))
    meta = {key("label_names"): [key(name) for name in NAMES]}
    (tmp_path / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
    data = open_data(tmp_path, val=0)
    assert data.classes == tuple(NAMES)
    assert data.test is not None
    first = np.asarray(data.test.image(3))
    assert np.array_equal(first, rows(10, 5)[3].reshape(3, 32, 32).transpose(1, 2, 0))


HUNDRED = [f"name {number}" for number in range(100)]
FINE = {"train": [*range(100), 7], "test": [99, 0, 41]}


@pytest.fixture
def hundred_python(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for seed, (name, labels) in enumerate(FINE.items()):
        batch = {
            "filenames": ["x.png"],
            "coarse_labels": [label // 5 for label in labels],
            "fine_labels": labels,
            "data": rows(len(labels), seed),
        }
        (folder / name).write_bytes(dumped(batch))
    names = {"fine_label_names": HUNDRED, "coarse_label_names": HUNDRED[:20]}
    (folder / "meta").write_bytes(dumped(names))
    return folder


@pytest.fixture
def hundred_binary(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    for seed, (name, labels) in enumerate(FINE.items()):
        records = zip(labels, rows(len(labels), seed), strict=True)  # the coarse label, then the fine one
        content = b"".join(bytes([label // 5, label]) + row.tobytes() for label, row in records)
        (folder / f"{name}.bin").write_bytes(content)
    (folder / "fine_label_names.txt").write_text("\n".join(HUNDRED) + "\n")
    (folder / "coarse_label_names.txt").write_text("\n".join(HUNDRED[:20]) + "\n")
    return folder


@pytest.mark.parametrize("version", ["hundred_python", "hundred_binary"])
@pytest.mark.parametrize("above", [False, True])
def test_the_fine_labels_of_cifar_100_are_read(
    request: pytest.FixtureRequest, version: str, above: bool
) -> None:
    folder: Path = request.getfixturevalue(version)
    dataset = open_data(folder.parent if above else folder, val=0)
    assert (dataset.name, dataset.classes, dataset.mirror) == ("cifar-100", tuple(HUNDRED), True)
    assert dataset.train.labels.tolist() == FINE["train"]
    assert dataset.test is not None
    assert dataset.test.labels.tolist() == FINE["test"]
    pixels, row = np.asarray(dataset.test.image(2)), rows(3, 1)[2]
    assert pixels[7, 20].tolist() == [row[7 * 32 + 20], row[1024 + 7 * 32 + 20], row[2048 + 7 * 32 + 20]]


def test_cifar_100_without_fine_labels_is_refused(hundred_python: Path, hundred_binary: Path) -> None:
    (hundred_python / "test").write_bytes(dumped({"labels": [0], "data": rows(1, 0)}))
    with pytest.raises(DataError, match="test: no list of whole numbers called fine_labels"):
        open_data(hundred_python)
    (hundred_binary / "test.bin").write_bytes(b"\0" * 3073)
    with pytest.raises(DataError, match="3073 bytes are not a whole number of records of 3074"):
        open_data(hundred_binary)


@pytest.mark.parametrize("label", [-1, 256, 2**70])
def test_labels_beyond_a_byte_are_refused(hundred_python: Path, label: int) -> None:
    batch = {b"fine_labels": [label, 0], b"data": rows(2, 0)}
    (hundred_python / "test").write_bytes(pickle.dumps(batch, 2))
    with pytest.raises(DataError, match="test: some fine_labels are not from 0 to 255"):
        open_data(hundred_python)
