"""Decoding: every image in its place, and damaged ones named or skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from hubel.data.dataset import ArrayImages, FileImages, numbered
from hubel.data.feed.decoded import decode
from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

PREPROCESSING = Preprocessing.of("6x6x3")


@pytest.fixture
def files(tmp_path: Path) -> FileImages:
    """A hundred images of one colour each: the number of the image in red."""
    paths = tuple(tmp_path / f"{number}.png" for number in range(100))
    for number, path in enumerate(paths):
        Image.new("RGB", (5 + number % 7, 5 + number % 5), (number, 0, 9)).save(path)
    return FileImages(np.arange(100) % 3, paths)


def test_files_are_decoded_in_order(files: FileImages) -> None:
    seen: list[int] = []
    decoded = decode(files, PREPROCESSING, seen.append)
    assert len(decoded) == 100
    assert decoded.pixels.shape == (100, 6, 6, 3)
    assert decoded.pixels.dtype == np.uint8
    assert (decoded.pixels == np.arange(100)[:, None, None, None] * [1, 0, 0] + [0, 0, 9]).all()
    assert decoded.labels.tolist() == files.labels.tolist()
    assert decoded.names == tuple(map(str, files.paths))
    assert seen == sorted(set(seen))
    assert seen[-1] == 100


def test_arrays_of_the_right_size_are_returned_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    decoded = decode(ArrayImages(np.zeros(40, np.int64), pixels, numbered("set", 40)), PREPROCESSING)
    assert np.array_equal(decoded.pixels, pixels)


def test_an_unreadable_file_is_named(files: FileImages) -> None:
    files.paths[41].write_bytes(b"broken")
    with pytest.raises(DataError, match=r"^\S*41\.png: is not an image"):
        decode(files, PREPROCESSING)


def test_all_unreadable_files_are_named_up_to_twenty(files: FileImages) -> None:
    for number in (97, 41, 43):
        files.paths[number].write_bytes(b"broken")
    with pytest.raises(DataError) as caught:
        decode(files, PREPROCESSING)
    head, *lines = str(caught.value).splitlines()
    assert head.startswith("3 of 100 images cannot be used")
    assert [line.split(".png: ")[0] for line in lines] == [
        f"  {files.paths[number].with_suffix('')}" for number in (41, 43, 97)
    ]
    for path in files.paths[:60]:
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        decode(files, PREPROCESSING)
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert lines[0].startswith("61 of 100")
    assert lines[-1] == "  and 41 more"


def test_unreadable_files_are_skipped_and_listed(files: FileImages) -> None:
    for number in (97, 41):
        files.paths[number].write_bytes(b"broken")
    decoded = decode(files, PREPROCESSING, on_bad="skip")
    good = [number for number in range(100) if number not in (41, 97)]
    assert decoded.pixels[:, 0, 0, 0].tolist() == good
    assert decoded.labels.tolist() == [number % 3 for number in good]
    assert decoded.names == tuple(str(files.paths[number]) for number in good)
    assert [bad.name for bad in decoded.skipped] == [str(files.paths[41]), str(files.paths[97])]
    assert all(bad.reason.startswith("is not an image") for bad in decoded.skipped)


def test_a_set_without_a_usable_image_is_refused(files: FileImages) -> None:
    for path in files.paths:
        path.write_bytes(b"broken")
    with pytest.raises(
        DataError, match="100 of 100 images cannot be used, all for the same reason"
    ) as caught:
        decode(files, PREPROCESSING, on_bad="skip")
    assert str(caught.value).count("is not an image") == 1


def test_an_ambiguous_image_is_named(files: FileImages) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(files.paths[3].with_suffix(".tif"))
    images = FileImages(files.labels[:1], (files.paths[3].with_suffix(".tif"),))
    with pytest.raises(DataError, match=r"3\.tif: an image of floating-point pixels"):
        decode(images, PREPROCESSING)
