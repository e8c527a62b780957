"""Decoding: every picture in its place, and the first broken one named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from hubel.data import ArrayPictures, FilePictures, Preprocessing, decode
from hubel.data.pictures import numbered
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

PREPROCESSING = Preprocessing.of("6x6x3")


@pytest.fixture
def files(tmp_path: Path) -> FilePictures:
    """A hundred pictures of one colour each: the number of the picture in red."""
    paths = tuple(tmp_path / f"{number}.png" for number in range(100))
    for number, path in enumerate(paths):
        Image.new("RGB", (5 + number % 7, 5 + number % 5), (number, 0, 9)).save(path)
    return FilePictures(np.arange(100) % 3, paths)


def test_files_are_decoded_in_order(files: FilePictures) -> None:
    seen: list[int] = []
    decoded = decode(files, PREPROCESSING, seen.append)
    assert len(decoded) == 100
    assert decoded.images.shape == (100, 6, 6, 3)
    assert decoded.images.dtype == np.uint8
    assert (decoded.images == np.arange(100)[:, None, None, None] * [1, 0, 0] + [0, 0, 9]).all()
    assert decoded.labels.tolist() == files.labels.tolist()
    assert decoded.names == tuple(map(str, files.paths))
    assert seen == sorted(set(seen))
    assert seen[-1] == 100


def test_arrays_of_the_right_size_come_through_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    decoded = decode(ArrayPictures(np.zeros(40, np.int64), pixels, numbered("set", 40)), PREPROCESSING)
    assert np.array_equal(decoded.images, pixels)


def test_the_first_unreadable_file_is_named(files: FilePictures) -> None:
    for number in (97, 41, 43):
        files.paths[number].write_bytes(b"broken")
    seen: list[int] = []
    with pytest.raises(DataError, match=r"41\.png: is not a picture"):
        decode(files, PREPROCESSING, seen.append)
    assert max(seen, default=0) <= 41


def test_a_picture_without_a_sure_meaning_is_named(files: FilePictures) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(files.paths[3].with_suffix(".tif"))
    pictures = FilePictures(files.labels[:1], (files.paths[3].with_suffix(".tif"),))
    with pytest.raises(DataError, match=r"3\.tif: a picture of floating-point pixels"):
        decode(pictures, PREPROCESSING)
