"""WebDataset shards: local and remote tar files, against the same images in class folders."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hubel.data.check import check
from hubel.data.feed.cache import decode_once
from hubel.data.feed.decoded import decode
from hubel.data.formats import shard_index as indexing
from hubel.data.formats.shards import ShardImages
from hubel.data.sources import open_data, whereabouts
from hubel.errors import DataError
from tests.shards import (
    CLASSES,
    EACH,
    SEEN,
    SHARDS,
    Parts,
    image,
    numbers,
    remote,
    sample,
    shard,
    write,
)

if TYPE_CHECKING:
    pass

pytest.importorskip("webdataset")

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("form", ["folder", "braces", "relative", "address"])
def test_shards_are_the_same_images_as_class_folders(
    root: Path, address: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(SHARDS * EACH):
        path = root.parent / "folders" / CLASSES[number % 3] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image(number))
    monkeypatch.chdir(root)
    where = {
        "folder": str(root),
        "braces": f"{root}/part-{{0..3}}.tar",
        "relative": "part-{0,1,2,3}.tar",
        "address": f"{address}/pets/part-{{0..3}}.tar",
    }[form]
    dataset = open_data(where, val=0)
    assert (dataset.name, dataset.classes, dataset.val, dataset.test) == ("pets", CLASSES, None, None)
    train = dataset.train
    assert numbers(train) == list(range(SHARDS * EACH))
    assert train.labels.tolist() == [number % 3 for number in range(SHARDS * EACH)]
    assert train.name(10).endswith("part-1.tar/010.png")
    assert (dataset.depth, dataset.size, train.size(7)) == (3, (6, 5), (6, 5))
    folders = open_data(root.parent / "folders", val=0).train
    expected = dict(zip(numbers(folders), decode(folders, SEEN).pixels, strict=True))
    for place, seen in enumerate(decode(train, SEEN).pixels):
        assert np.array_equal(seen, expected[place])
        assert np.array_equal(np.asarray(train.image(place)), expected[place])


def test_a_single_shard_names_the_set(root: Path) -> None:
    dataset = open_data(root / "part-2.tar", val=0.34)
    assert dataset.name == "part-2"
    assert dataset.val is not None
    assert sorted(dataset.val.labels) == [0, 1, 2]
    assert sorted([*numbers(dataset.train), *numbers(dataset.val)]) == list(range(18, 27))


@pytest.mark.parametrize(
    "names",
    [
        ("train-00.tar", "validation-00.tar", "test-00.tar"),
        ("pets-train-0.tar", "pets-val-0.tar", "pets-test-0.tar"),
        ("train/0.tar", "val/0.tar", "test/0.tar"),
    ],
)
def test_shards_are_split_by_their_names_or_folders(tmp_path: Path, names: tuple[str, ...]) -> None:
    for place, name in enumerate(names):
        shard(tmp_path / "set" / name, place * EACH)
    dataset = open_data(tmp_path / "set")
    assert dataset.val is not None
    assert dataset.test is not None
    assert numbers(dataset.train) == list(range(9))
    assert numbers(dataset.val) == list(range(9, 18))
    assert numbers(dataset.test) == list(range(18, 27))
    shard(tmp_path / "set" / names[0].replace("train", "held").replace("held/", ""), 40)
    if "/" not in names[0]:
        with pytest.raises(DataError, match="belongs to no split, but others do"):
            open_data(tmp_path / "set")


def test_shards_of_a_single_split_are_training_and_of_others_need_train(tmp_path: Path) -> None:
    shard(tmp_path / "val-0.tar", 0)
    assert len(open_data(tmp_path, val=0).train) == EACH
    shard(tmp_path / "test-0.tar", 9)
    with pytest.raises(DataError, match="has shards for test and val but none for train"):
        open_data(tmp_path)


def test_a_tar_beside_class_folders_is_not_a_shard(root: Path) -> None:
    for name in CLASSES:
        (root / name).mkdir()
        (root / name / "1.png").write_bytes(image(0))
    assert open_data(root, val=0).classes == CLASSES
    assert len(open_data(root, val=0).train) == 3


@pytest.mark.parametrize(
    ("ending", "said", "classes"),
    [
        ("cls", ["10", "9\n", "010"], ("9", "10")),
        ("cls", ["ox", "10", "9"], ("10", "9", "ox")),
        ("txt", ["ox", "elk", "ox"], ("elk", "ox")),
        ("json", ['{"label": 10}', '{"class": "9"}', '{"class": "x", "label": 9}'], ("9", "10")),
    ],
)
def test_classes_are_numbers_or_texts(
    tmp_path: Path, ending: str, said: list[str], classes: tuple[str, ...]
) -> None:
    files = [
        file
        for number, text in enumerate(said)
        for file in ((f"a/{number}.PNG", image(number)), (f"a/{number}.{ending}", text.encode()))
    ]
    other = [("._0.png", b""), ("README", b"of nobody"), ("__meta__/0.json", b"{}"), ("a/2.seg.png", b"no")]
    dataset = open_data(write(tmp_path / "a.tar", *other[:3], *files, other[3]), val=0)
    assert dataset.classes == classes
    assert len(dataset.train) == 3
    assert dataset.train.fitted(1, SEEN).shape == (6, 5, 3)


@pytest.mark.parametrize("said", [["1", "0", "2"], ["bee", "ant", "cow"]])
@pytest.mark.parametrize("net", [False, True])
def test_a_file_beside_the_shards_names_the_classes(
    tmp_path: Path, address: str, said: list[str], net: bool
) -> None:
    (tmp_path / "classes.txt").write_text("ant\nbee\ncow\n")
    write(tmp_path / "a.tar", *(file for number in range(3) for file in sample(number, said[number])))
    dataset = open_data(f"{address}/a.tar" if net else tmp_path / "a.tar", val=0)
    assert dataset.classes == CLASSES
    assert dataset.train.labels.tolist() == [1, 0, 2]
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    with pytest.raises(
        DataError, match=r"a\.tar/002\.png: its class is '(2|cow)', but \S*/classes\.txt has 2"
    ):
        open_data(tmp_path / "a.tar")


PNG = image(1)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([("1.cls", b"0")], "sample '1' has no image, only 1.cls"),
        ([("a.1.png", PNG), ("a.1.cls", b"0")], "name, which ends at the first dot"),
        (
            [("1.png", PNG), ("1.jpg", PNG), ("1.cls", b"0")],
            "sample '1' has several images, 1.png and 1.jpg",
        ),
        (
            [("cat/1.png", PNG)],
            "sample 'cat/1' has no class; put it into cat/1.cls or .txt, or as label or class",
        ),
        ([("1.png", PNG), ("1.json", b'{"width": 3}')], "sample '1' has no class"),
        ([("1.png", PNG), ("1.json", b"{")], "1.json: cannot be read"),
        ([("1.png", PNG), ("1.json", b'{"label": 0.5}')], "1.json: has '0.5'; a class is a whole number or"),
        ([("1.png", PNG), ("1.txt", b"a cat\non a mat")], r"1.txt: has 'a cat\non a mat'; a class is"),
        ([("1.png", PNG), ("1.cls", b"\xff")], "1.cls: cannot be read"),
        ([("1.png", PNG), ("1.cls", b"")], "1.cls: has ''"),
        ([*sample(1), *sample(2), *sample(1)], "sample '001' occurs twice"),
        ([("1.png", PNG), ("1.png", PNG), ("1.cls", b"0")], "1.png occurs twice"),
        ([("README", b"")], "holds no images"),
    ],
)
def test_a_malformed_sample_is_refused_by_name(
    tmp_path: Path, files: list[tuple[str, bytes]], reason: str
) -> None:
    before = sample(7) if len(files) > 1 or files[0][0] != "README" else []
    write(tmp_path / "a.tar", *before, *files)
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path / 'a.tar'))}.*{re.escape(reason)}"):
        open_data(tmp_path / "a.tar")


@pytest.mark.parametrize("net", [False, True])
def test_a_truncated_shard_is_refused_wherever_it_ends(tmp_path: Path, address: str, net: bool) -> None:
    whole = write(tmp_path / "whole.tar", *sample(1), *sample(2)).read_bytes()
    path = tmp_path / "a.tar"
    for length in (
        0,
        100,
        512,
        700,
        1024,
        1536,
        1600,
        2048,
        4096,
    ):  # its files are of 1024 bytes with headers
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"a\.tar: is not a complete tar file \(.*create it again"):
            open_data(f"{address}/a.tar" if net else path)
    path.write_bytes(whole[:1024] + b"x" * 512 + whole[1536:])
    with pytest.raises(DataError, match="is not a complete tar file"):
        open_data(f"{address}/a.tar" if net else path)
    path.write_bytes(whole + whole)
    with pytest.raises(DataError, match="data follow after its end"):
        open_data(f"{address}/a.tar" if net else path)


def test_missing_or_misspelt_shards_are_refused(root: Path, address: str) -> None:
    with pytest.raises(DataError, match=r"part-4\.tar: no such shard; 2 of the 6 in \S+ are missing"):
        open_data(f"{root}/part-{{0..5}}.tar")
    with pytest.raises(DataError, match=r"part-4\.tar: cannot be read \(no such file, or no access\)"):
        open_data(f"{address}/pets/part-{{3..4}}.tar")
    with pytest.raises(DataError, match="names a shard twice"):
        open_data(f"{root}/part-{{0,0}}.tar")
    with pytest.raises(DataError, match="braces stand for nothing"):
        open_data(f"{root}/part-{{0.tar")
    with pytest.raises(DataError, match="not a shard by its ending"):
        open_data(f"{address}/pets.zip")
    with pytest.raises(DataError, match=r"cannot be read \(no answer\)"):
        open_data("http://127.0.0.1:1/a.tar")
    with tarfile.open(root.parent / "packed.tar", "w:gz") as tar:
        tar.add(root / "part-0.tar", "a")
    with pytest.raises(DataError, match="create it again, uncompressed"):
        open_data(root.parent / "packed.tar")


def test_without_the_library_the_error_names_the_package(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webdataset", None)
    for where in (f"{root}/part-{{0..3}}.tar", "https://host/a.tar"):
        with pytest.raises(DataError, match=r'pip install "hubel\[webdataset\]"'):
            open_data(where)
    assert len(open_data(root, val=0).train) == SHARDS * EACH


def test_an_index_is_made_once_and_again_when_its_shard_changes(
    root: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = indexing._made

    def counted(where: str, stamp: str) -> indexing.Shard:
        made.append(where)
        return real(where, stamp)

    monkeypatch.setattr(indexing, "_made", counted)
    monkeypatch.setattr(indexing, "_MOMENT_NS", 0)
    for where in (str(root), f"{address}/pets/part-{{0..3}}.tar"):
        for _ in range(2):
            assert len(open_data(where, val=0).train) == 36
        assert len(made) == 4
        made.clear()
    shard(root / "part-1.tar", 100, 5)
    indexing.kept_in(str(root / "part-2.tar")).write_text("{")
    assert len(open_data(root, val=0).train) == 32
    assert sorted(Path(where).name for where in made) == ["part-1.tar", "part-2.tar"]


def test_a_shard_of_the_same_name_size_and_time_stamp_is_seen(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_MOMENT_NS", 0)
    path = root / "part-1.tar"
    before, whole = path.stat(), path.read_bytes()
    first = open_data(root, val=0).train
    assert isinstance(first, ShardImages)
    other = path.with_suffix(".other")
    other.write_bytes(whole.replace(first.file(9).data, image(77).ljust(len(first.file(9).data), b"\0")))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    again = open_data(root, val=0).train
    assert isinstance(again, ShardImages)
    assert again.digests()[9] != first.digests()[9]


def test_a_damaged_index_is_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "_MOMENT_NS", 0)
    first = indexing.indexed(str(root / "part-1.tar"))
    path = indexing.kept_in(first.where)
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert indexing.indexed(first.where) == first, at


def test_the_index_of_a_shard_just_written_is_not_cached(root: Path) -> None:
    open_data(root, val=0)
    assert not list((root.parent / "cache").rglob("*.json"))


def test_the_index_of_a_remote_shard_must_be_cached(
    root: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root.parent / "cache").write_text("in the way")
    assert len(open_data(root, val=0).train) == 36
    with pytest.raises(DataError, match=r"cannot be cached in .*HUBEL_CACHE"):
        remote(address)


def test_decoded_shards_are_cached(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = open_data(root, val=0).train
    first = decode_once(train, SEEN)
    monkeypatch.setattr(ShardImages, "fitted", None)
    again = decode_once(train, SEEN)
    assert np.array_equal(again.pixels, first.pixels)
    assert again.names == first.names
    with pytest.raises(TypeError):
        decode_once(train.select(np.array([1, 0])), SEEN)


def test_neighbours_in_a_remote_shard_are_requested_at_once(
    root: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = remote(address)
    asked: list[str] = []
    monkeypatch.setattr(Parts, "asked", staticmethod(asked.append))
    ahead = images.read_ahead([0, 1, 2, 3, 9, 10, 4, 5, 8])
    assert asked == [f"/pets/part-{number}.tar" for number in (0, 1, 0)]
    for place in (0, 3, 10, 5, 8):
        assert ahead.file(place).data == image(place)
    assert len(asked) == 3
    monkeypatch.setattr(Parts, "parts", False)
    with pytest.raises(DataError, match="the server does not send parts of files"):
        images.image(0)


def test_a_remote_set_is_found_again() -> None:
    assert whereabouts("https://host/pets/part-{0..3}.tar") == "https://host/pets/part-{0..3}.tar"


@pytest.mark.parametrize("net", [False, True])
def test_a_check_looks_into_shards(root: Path, address: str, net: bool) -> None:
    files = [("a.png", image(50, "JPEG")), ("b.png", b""), ("c.png", b"x"), ("d.png", image(0))]
    said = ((name.replace("png", "cls"), b"bee") for name, _ in files)
    write(root / "part-1.tar", *(each for pair in zip(files, said, strict=True) for each in pair))
    found = check(f"{address}/pets/part-{{0..3}}.tar" if net else root)
    assert found.images == 31
    assert {finding.kind for finding in found.findings} == {"format", "empty", "damaged", "conflict"}
    assert json.dumps(found.counts["train"]) == '{"ant": 9, "bee": 13, "cow": 9}'


HEADERS = {
    "negative size": (124, b"\xff" * 12),
    "absurd size": (124, b"\x80" + b"\0" * 3 + b"\xff" * 8),
    "sparse": (156, b"S"),
    "long name": (156, b"L"),
    "pax": (156, b"x"),
}


@pytest.mark.parametrize("member", [0, 1, 17])
@pytest.mark.parametrize("kind", HEADERS)
def test_false_headers_are_refused_at_once(root: Path, kind: str, member: int) -> None:
    """Sizes below 0 or of exabytes, and headers of other kinds than what follows them."""
    path = root / "part-1.tar"
    data = bytearray(path.read_bytes())
    with tarfile.open(path) as tar:
        start = tar.getmembers()[member].offset
    at, value = HEADERS[kind]
    data[start + at : start + at + len(value)] = value
    data[start + 148 : start + 156] = b" " * 8
    data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    path.write_bytes(bytes(data))
    began = time.perf_counter()
    if kind == "long name":  # which may be anything
        with contextlib.suppress(DataError):
            open_data(root)
    else:
        with pytest.raises(DataError, match=r"part-1\.tar"):
            open_data(root)
    assert time.perf_counter() - began < 5


def test_a_false_sparse_map_does_not_lead_round_in_circles(tmp_path: Path) -> None:
    """The GNU format 1.0 keeps the map before the data; one that never ends is read to the file's end."""
    pax = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        about = tarfile.TarInfo("0.png")
        about.size = len(image(0))
        about.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        tar.addfile(about, BytesIO(b"9" * about.size))
    assert pax in (tmp_path / "a.tar").read_bytes()
    with pytest.raises(DataError, match="not a complete tar file"):
        open_data(tmp_path / "a.tar")
