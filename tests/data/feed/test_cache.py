"""The cache: what is opened is what would be decoded, whatever was changed, damaged or forbidden since."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.dataset import ArrayPictures, FilePictures, numbered
from hubel.data.feed import cache
from hubel.data.feed.cache import decode_once
from hubel.data.feed.decoded import Bad, decode
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREPROCESSING = Preprocessing.of("6x6x3")
LONG_AGO = 1_000_000_000
"""A time of change, in seconds, that is no longer too new to be relied on."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def pictures(tmp_path: Path) -> FilePictures:
    paths = tuple(tmp_path / f"{number}.png" for number in range(5))
    for number, path in enumerate(paths):
        write(path, number)
    return FilePictures(np.arange(5) % 2, paths)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files read so far, whether to be decoded or digested."""
    seen: list[str] = []

    def noting(original: Callable[..., object]) -> Callable[..., object]:
        def note(*arguments: object, **options: object) -> object:
            seen.append(original.__name__)
            return original(*arguments, **options)

        return note

    for module, name in ((cache, "decode"), (cache, "_file_digest")):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    return seen


def write(path: Path, seed: int) -> None:
    """A picture without compression, so that all have the same size in bytes; changed long ago."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "BMP")
    os.utime(path, (LONG_AGO, LONG_AGO))


def arrays(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npy"))


def test_an_unchanged_set_is_opened_without_reading_a_picture(
    pictures: FilePictures, read: list[str], folder: Path
) -> None:
    first = decode_once(pictures, PREPROCESSING)
    assert read == ["_file_digest"] * 5 + ["decode"]
    assert len(arrays(folder)) == 1
    read.clear()
    seen: list[int] = []
    again = decode_once(pictures, PREPROCESSING, seen.append)
    assert read == []
    assert seen == [5]
    expected = decode(pictures, PREPROCESSING)
    for found in (first, again):
        assert np.array_equal(found.images, expected.images)
        assert np.array_equal(found.labels, expected.labels)
        assert found.names == expected.names
        torch.from_numpy(found.images)  # warns of memory that cannot be written to, which is an error here


def test_what_is_written_to_the_images_stays_in_memory(pictures: FilePictures) -> None:
    decode_once(pictures, PREPROCESSING)
    decode_once(pictures, PREPROCESSING).images[:] = 0
    assert np.array_equal(decode_once(pictures, PREPROCESSING).images, decode(pictures, PREPROCESSING).images)


def test_a_changed_file_is_seen_by_its_time_and_by_its_size(pictures: FilePictures) -> None:
    decode_once(pictures, PREPROCESSING)
    path = pictures.paths[2]
    size = path.stat().st_size
    write(path, 99)
    assert path.stat().st_size == size
    os.utime(path, ns=(LONG_AGO * 10**9, LONG_AGO * 10**9 + 1))
    expected = decode(pictures, PREPROCESSING).images
    assert np.array_equal(decode_once(pictures, PREPROCESSING).images, expected)
    stat = path.stat()
    Image.new("RGB", (9, 9), "red").save(path, "BMP")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (decode_once(pictures, PREPROCESSING).images[2] == [255, 0, 0]).all()


def test_a_file_changed_a_moment_ago_is_read_again(pictures: FilePictures) -> None:
    """Within the grain of the clock, a change of content need not change size or time."""
    path = pictures.paths[0]
    os.utime(path)
    stat = path.stat()
    decode_once(pictures, PREPROCESSING)
    write(path, 99)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    expected = decode(pictures, PREPROCESSING).images
    assert np.array_equal(decode_once(pictures, PREPROCESSING).images, expected)


def test_order_and_number_make_another_array(pictures: FilePictures, folder: Path) -> None:
    decode_once(pictures, PREPROCESSING)
    for order in ([4, 3, 2, 1, 0], [0, 1, 2], [0, 0, 1]):
        chosen = pictures.select(np.array(order))
        expected = decode(chosen, PREPROCESSING).images
        for _ in range(2):
            assert np.array_equal(decode_once(chosen, PREPROCESSING).images, expected)
    assert len(arrays(folder)) == 4


def test_what_makes_other_pixels_makes_another_array(pictures: FilePictures, folder: Path) -> None:
    others = [
        Preprocessing.of("4x6x3"),
        Preprocessing.of("4x6x3", fit="pad"),
        Preprocessing.of("4x6x1"),
        Preprocessing.of("4x4x3"),
        Preprocessing.of("4x4x3", resize=5),
        Preprocessing.of("4x4x3", resize=5, interpolation="bicubic"),
    ]
    for preprocessing in others * 2:
        expected = decode(pictures, preprocessing).images
        assert np.array_equal(decode_once(pictures, preprocessing).images, expected)
    assert len(arrays(folder)) == len(others)


def test_mean_and_std_and_labels_do_not(pictures: FilePictures, read: list[str]) -> None:
    first = decode_once(pictures, PREPROCESSING)
    read.clear()
    relabelled = FilePictures(pictures.labels + 1, pictures.paths)
    again = decode_once(relabelled, PREPROCESSING.measured(first.images))
    assert read == []
    assert np.array_equal(again.labels, pictures.labels + 1)


def test_copied_files_are_not_decoded_again(pictures: FilePictures, read: list[str], tmp_path: Path) -> None:
    decode_once(pictures, PREPROCESSING)
    (tmp_path / "copy").mkdir()
    copies = tuple(tmp_path / "copy" / path.name for path in pictures.paths)
    for path, copy in zip(pictures.paths, copies, strict=True):
        shutil.copy(path, copy)
    read.clear()
    found = decode_once(FilePictures(pictures.labels, copies), PREPROCESSING)
    assert read == ["_file_digest"] * 5
    assert found.names == tuple(map(str, copies))


@pytest.mark.parametrize("damage", ["empty", "header", "cut", "value", "end", "none"])
def test_a_damaged_array_is_noticed_and_made_again(
    pictures: FilePictures, folder: Path, read: list[str], damage: str
) -> None:
    decode_once(pictures, PREPROCESSING)
    (path,) = arrays(folder)
    whole = path.read_bytes()
    broken = {
        "empty": b"",
        "header": b"\0" + whole[1:],
        "cut": whole[:300],
        "value": whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
        "end": whole[:-1],
        "none": whole,
    }
    path.write_bytes(broken[damage])
    read.clear()
    expected = decode(pictures, PREPROCESSING).images
    assert np.array_equal(decode_once(pictures, PREPROCESSING).images, expected)
    assert read == ([] if damage == "none" else ["decode"])
    assert path.read_bytes() == whole


def test_damaged_digests_are_learned_again(pictures: FilePictures, folder: Path, read: list[str]) -> None:
    decode_once(pictures, PREPROCESSING)
    warnings: list[str] = []
    for content in (b"no database" * 100, b""):
        (folder / "digests.sqlite").write_bytes(content)
        for expected in (["_file_digest"] * 5, []):
            read.clear()
            decode_once(pictures, PREPROCESSING, warn=warnings.append)
            assert read == expected
    assert warnings == []


def test_without_a_folder_it_goes_on_with_one_warning(
    pictures: FilePictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "file" / "below"))
    warnings: list[str] = []
    expected = decode(pictures, PREPROCESSING).images
    assert np.array_equal(decode_once(pictures, PREPROCESSING, warn=warnings.append).images, expected)
    assert len(warnings) == 1
    assert "HUBEL_CACHE" in warnings[0]
    decode_once(pictures, PREPROCESSING)


def test_a_full_disk_leaves_nothing_behind(
    pictures: FilePictures, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object, images: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    warnings: list[str] = []
    assert len(decode_once(pictures, PREPROCESSING, warn=warnings.append)) == 5
    assert len(warnings) == 1
    assert "No space left on device" in warnings[0]
    assert [path.name for path in folder.iterdir()] == ["digests.sqlite"]


def test_the_longest_unused_are_deleted(
    pictures: FilePictures, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_once(pictures, PREPROCESSING)
    (one,) = arrays(folder)
    monkeypatch.setattr(cache, "MOST_BYTES", int(3.5 * one.stat().st_size))
    made = [one]
    for number in range(3):
        for age, path in enumerate(reversed(made)):
            os.utime(path, (LONG_AGO - age, LONG_AGO - age))
        decode_once(pictures, PREPROCESSING)  # the first one, used again
        decode_once(pictures.select(np.roll(np.arange(5), number + 1)), PREPROCESSING)
        made += [path for path in arrays(folder) if path not in made]
    assert arrays(folder) == sorted([made[0], made[2], made[3]])
    monkeypatch.setattr(cache, "MOST_BYTES", 10)
    decode_once(pictures.select(np.array([1, 0])), PREPROCESSING)
    assert len(arrays(folder)) == 3


def test_pictures_left_out_are_listed_from_the_cache_too(pictures: FilePictures, read: list[str]) -> None:
    pictures.paths[3].write_bytes(b"broken")
    os.utime(pictures.paths[3], (LONG_AGO, LONG_AGO))
    expected = decode(pictures, PREPROCESSING, on_bad="skip")
    for decodes in (1, 0):
        read.clear()
        found = decode_once(pictures, PREPROCESSING, on_bad="skip")
        assert read.count("decode") == decodes
        assert np.array_equal(found.images, expected.images)
        assert found.labels.tolist() == [0, 1, 0, 0]
        assert found.names == expected.names
        assert found.skipped == expected.skipped
    with pytest.raises(DataError, match=r"3\.png: is not a picture"):
        decode_once(pictures, PREPROCESSING)


def test_a_missing_file_is_found_again_when_it_is_back(pictures: FilePictures) -> None:
    content = pictures.paths[1].read_bytes()
    pictures.paths[1].unlink()
    with pytest.raises(DataError, match=r"1\.png: no such file"):
        decode_once(pictures, PREPROCESSING)
    assert len(decode_once(pictures, PREPROCESSING, on_bad="skip")) == 4
    pictures.paths[1].write_bytes(content)
    assert len(decode_once(pictures, PREPROCESSING)) == 5


def test_pictures_in_memory_are_not_cached(folder: Path) -> None:
    pixels = np.zeros((3, 6, 6, 3), np.uint8)
    decode_once(ArrayPictures(np.zeros(3, np.int64), pixels, numbered("set", 3)), PREPROCESSING)
    assert not folder.exists()


def test_what_cannot_be_used_by_its_name_can_be_once_it_is_renamed(pictures: FilePictures) -> None:
    unusable = replace(pictures, unusable={pictures.paths[2]: "is no picture by its ending"})
    for _ in range(2):
        (bad,) = decode_once(unusable, PREPROCESSING, on_bad="skip").skipped
        assert bad == Bad(str(pictures.paths[2]), "is no picture by its ending")
    assert decode_once(pictures, PREPROCESSING, on_bad="skip").skipped == ()
