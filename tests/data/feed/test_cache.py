"""The cache: it returns what decoding would, whatever was changed, damaged or forbidden since."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.dataset import ArrayImages, FileImages, numbered
from hubel.data.feed import cache
from hubel.data.feed.bad import Bad
from hubel.data.feed.cache import decode_once
from hubel.data.feed.decoded import decode
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREPROCESSING = Preprocessing.of("6x6x3")
LONG_AGO = 1_000_000_000
"""A modification time, in seconds, old enough to be relied on."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_MOMENT_NS", 0)  # the files of a test are always new
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def images(tmp_path: Path) -> FileImages:
    paths = tuple(tmp_path / f"{number}.png" for number in range(5))
    for number, path in enumerate(paths):
        write(path, number)
    return FileImages(np.arange(5) % 2, paths)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files read so far, to be decoded or digested."""
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
    """An uncompressed image, so that all have the same size in bytes, modified long ago."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "BMP")
    os.utime(path, (LONG_AGO, LONG_AGO))


def arrays(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npy"))


def test_an_unchanged_set_is_opened_without_reading_an_image(
    images: FileImages, read: list[str], folder: Path
) -> None:
    first = decode_once(images, PREPROCESSING)
    assert read == ["_file_digest"] * 5 + ["decode"]
    assert len(arrays(folder)) == 1
    read.clear()
    seen: list[int] = []
    again = decode_once(images, PREPROCESSING, seen.append)
    assert read == []
    assert seen == [5]
    expected = decode(images, PREPROCESSING)
    for found in (first, again):
        assert np.array_equal(found.pixels, expected.pixels)
        assert np.array_equal(found.labels, expected.labels)
        assert found.names == expected.names
        torch.from_numpy(found.pixels)  # warns about read-only memory, which is an error here


def test_changes_to_cached_images_stay_in_memory(images: FileImages) -> None:
    decode_once(images, PREPROCESSING)
    decode_once(images, PREPROCESSING).pixels[:] = 0
    assert np.array_equal(decode_once(images, PREPROCESSING).pixels, decode(images, PREPROCESSING).pixels)


def test_a_changed_file_is_seen_by_its_time_and_by_its_size(images: FileImages) -> None:
    decode_once(images, PREPROCESSING)
    path = images.paths[2]
    size = path.stat().st_size
    write(path, 99)
    assert path.stat().st_size == size
    os.utime(path, ns=(LONG_AGO * 10**9, LONG_AGO * 10**9 + 1))
    expected = decode(images, PREPROCESSING).pixels
    assert np.array_equal(decode_once(images, PREPROCESSING).pixels, expected)
    stat = path.stat()
    Image.new("RGB", (9, 9), "red").save(path, "BMP")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (decode_once(images, PREPROCESSING).pixels[2] == [255, 0, 0]).all()


@pytest.mark.parametrize("way", ["written", "moved", "copied"])
def test_a_file_of_the_same_name_size_and_time_stamp_is_seen(images: FileImages, way: str) -> None:
    """As after `cp -p` or `mv` of another version, which keep the time stamp."""
    decode_once(images, PREPROCESSING)
    path = images.paths[2]
    before = path.stat()
    other = path.with_suffix(".other")
    write(other, 99)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    time.sleep(0.05)  # longer than the clock of any file system ticks
    if way == "moved":
        other.replace(path)
    elif way == "copied":
        shutil.copy2(other, path)
    else:
        write(path, 99)
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    expected = np.asarray(Image.open(path)) if way != "moved" else decode(images, PREPROCESSING).pixels[2]
    assert np.array_equal(decode_once(images, PREPROCESSING).pixels[2], expected)


def test_a_file_changed_a_moment_ago_is_read_again(
    images: FileImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the resolution of the clock, a change of content need not change size or time."""
    monkeypatch.setattr(cache, "_MOMENT_NS", 2 * 10**9)
    path = images.paths[0]
    os.utime(path)
    stat = path.stat()
    decode_once(images, PREPROCESSING)
    write(path, 99)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    expected = decode(images, PREPROCESSING).pixels
    assert np.array_equal(decode_once(images, PREPROCESSING).pixels, expected)


def test_another_order_or_number_of_images_is_another_array(images: FileImages, folder: Path) -> None:
    decode_once(images, PREPROCESSING)
    for order in ([4, 3, 2, 1, 0], [0, 1, 2], [0, 0, 1]):
        chosen = images.select(np.array(order))
        expected = decode(chosen, PREPROCESSING).pixels
        for _ in range(2):
            assert np.array_equal(decode_once(chosen, PREPROCESSING).pixels, expected)
    assert len(arrays(folder)) == 4


def test_another_preprocessing_is_another_array(images: FileImages, folder: Path) -> None:
    others = [
        Preprocessing.of("4x6x3"),
        Preprocessing.of("4x6x3", fit="pad"),
        Preprocessing.of("4x6x1"),
        Preprocessing.of("4x4x3"),
        Preprocessing.of("4x4x3", resize=5),
        Preprocessing.of("4x4x3", resize=5, interpolation="bicubic"),
    ]
    for preprocessing in others * 2:
        expected = decode(images, preprocessing).pixels
        assert np.array_equal(decode_once(images, preprocessing).pixels, expected)
    assert len(arrays(folder)) == len(others)


def test_another_mean_std_or_labels_are_the_same_array(images: FileImages, read: list[str]) -> None:
    first = decode_once(images, PREPROCESSING)
    read.clear()
    relabelled = FileImages(images.labels + 1, images.paths)
    again = decode_once(relabelled, PREPROCESSING.measured(first.pixels))
    assert read == []
    assert np.array_equal(again.labels, images.labels + 1)


def test_copied_files_are_not_decoded_again(images: FileImages, read: list[str], tmp_path: Path) -> None:
    decode_once(images, PREPROCESSING)
    (tmp_path / "copy").mkdir()
    copies = tuple(tmp_path / "copy" / path.name for path in images.paths)
    for path, copy in zip(images.paths, copies, strict=True):
        shutil.copy(path, copy)
    read.clear()
    found = decode_once(FileImages(images.labels, copies), PREPROCESSING)
    assert read == ["_file_digest"] * 5
    assert found.names == tuple(map(str, copies))


@pytest.mark.parametrize(
    "damage", ["empty", "header", "cut", "value", "end", "quote", "shape", "order", "type", "none"]
)
def test_a_damaged_array_is_noticed_and_made_again(
    images: FileImages, folder: Path, read: list[str], damage: str
) -> None:
    decode_once(images, PREPROCESSING)
    (path,) = arrays(folder)
    whole = path.read_bytes()
    broken = {
        "empty": b"",
        "header": b"\0" + whole[1:],
        "cut": whole[:300],
        "value": whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
        "end": whole[:-1],
        "quote": whole[:20] + bytes([whole[20] ^ 2]) + whole[21:],
        "shape": whole.replace(b"(5, 6, 6, 3)", b"(5, 6, 3, 6)"),
        "order": whole.replace(b"'fortran_order': False", b"'fortran_order': True "),
        "type": whole.replace(b"|u1", b"|i1"),
        "none": whole,
    }
    path.write_bytes(broken[damage])
    read.clear()
    expected = decode(images, PREPROCESSING).pixels
    warnings: list[str] = []
    assert np.array_equal(decode_once(images, PREPROCESSING, warn=warnings.append).pixels, expected)
    assert read == ([] if damage == "none" else ["decode"])
    assert path.read_bytes() == whole
    assert warnings == (
        [] if damage == "none" else [f"the cache {path} was damaged; it is deleted and made again"]
    )


def test_any_flipped_bit_of_the_headers_gives_the_same_images_or_is_noticed(
    images: FileImages, folder: Path
) -> None:
    images.paths[3].write_bytes(b"broken")
    decode_once(images, PREPROCESSING, on_bad="skip")
    expected = decode(images, PREPROCESSING, on_bad="skip")
    (path,) = arrays(folder)
    whole = path.read_bytes()
    start, end = 128, 128 + expected.pixels.nbytes
    for at in (*range(start), *range(end, len(whole))):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        found = decode_once(images, PREPROCESSING, on_bad="skip")
        assert np.array_equal(found.pixels, expected.pixels), at
        assert found.skipped == expected.skipped, at


def test_damaged_digests_are_computed_again(images: FileImages, folder: Path, read: list[str]) -> None:
    decode_once(images, PREPROCESSING)
    warnings: list[str] = []
    for content in (b"no database" * 100, b""):
        (folder / "digests.sqlite").write_bytes(content)
        for expected in (["_file_digest"] * 5, []):
            read.clear()
            decode_once(images, PREPROCESSING, warn=warnings.append)
            assert read == expected
    assert warnings == [f"the cache {folder / 'digests.sqlite'} was damaged; it is deleted and made again"]


def test_without_a_folder_images_are_decoded_after_one_warning(
    images: FileImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "file" / "below"))
    warnings: list[str] = []
    expected = decode(images, PREPROCESSING).pixels
    assert np.array_equal(decode_once(images, PREPROCESSING, warn=warnings.append).pixels, expected)
    assert len(warnings) == 1
    assert "HUBEL_CACHE" in warnings[0]
    decode_once(images, PREPROCESSING)


def test_a_full_disk_leaves_no_partial_file(
    images: FileImages, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object, pixels: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    warnings: list[str] = []
    assert len(decode_once(images, PREPROCESSING, warn=warnings.append)) == 5
    assert len(warnings) == 1
    assert "No space left on device" in warnings[0]
    assert [path.name for path in folder.iterdir()] == ["digests.sqlite"]


def test_the_least_recently_used_are_deleted(
    images: FileImages, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_once(images, PREPROCESSING)
    (one,) = arrays(folder)
    monkeypatch.setattr(cache, "MOST_BYTES", int(3.5 * one.stat().st_size))
    made = [one]
    for number in range(3):
        for age, path in enumerate(reversed(made)):
            os.utime(path, (LONG_AGO - age, LONG_AGO - age))
        decode_once(images, PREPROCESSING)  # the first one is used again
        decode_once(images.select(np.roll(np.arange(5), number + 1)), PREPROCESSING)
        made += [path for path in arrays(folder) if path not in made]
    assert arrays(folder) == sorted([made[0], made[2], made[3]])
    monkeypatch.setattr(cache, "MOST_BYTES", 10)
    decode_once(images.select(np.array([1, 0])), PREPROCESSING)
    assert len(arrays(folder)) == 3


def test_skipped_images_are_listed_from_the_cache_too(images: FileImages, read: list[str]) -> None:
    images.paths[3].write_bytes(b"broken")
    os.utime(images.paths[3], (LONG_AGO, LONG_AGO))
    expected = decode(images, PREPROCESSING, on_bad="skip")
    for decodes in (1, 0):
        read.clear()
        found = decode_once(images, PREPROCESSING, on_bad="skip")
        assert read.count("decode") == decodes
        assert np.array_equal(found.pixels, expected.pixels)
        assert found.labels.tolist() == [0, 1, 0, 0]
        assert found.names == expected.names
        assert found.skipped == expected.skipped
    with pytest.raises(DataError, match=r"3\.png: is not an image"):
        decode_once(images, PREPROCESSING)


def test_a_missing_file_is_found_again_when_it_is_back(images: FileImages) -> None:
    content = images.paths[1].read_bytes()
    images.paths[1].unlink()
    with pytest.raises(DataError, match=r"1\.png: no such file"):
        decode_once(images, PREPROCESSING)
    assert len(decode_once(images, PREPROCESSING, on_bad="skip")) == 4
    images.paths[1].write_bytes(content)
    assert len(decode_once(images, PREPROCESSING)) == 5


def test_images_in_memory_are_not_cached(folder: Path) -> None:
    pixels = np.zeros((3, 6, 6, 3), np.uint8)
    decode_once(ArrayImages(np.zeros(3, np.int64), pixels, numbered("set", 3)), PREPROCESSING)
    assert not folder.exists()


def test_a_file_unusable_by_its_name_is_used_once_renamed(images: FileImages) -> None:
    unusable = replace(images, unusable={images.paths[2]: "is no image by its ending"})
    for _ in range(2):
        (bad,) = decode_once(unusable, PREPROCESSING, on_bad="skip").skipped
        assert bad == Bad(str(images.paths[2]), "is no image by its ending")
    assert decode_once(images, PREPROCESSING, on_bad="skip").skipped == ()
