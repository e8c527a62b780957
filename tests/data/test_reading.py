"""Picture files, whole and broken."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from hubel.data import read_image
from hubel.data.reading import IMAGE_SUFFIXES, read_size
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def noise(height: int, width: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(kind: str) -> bytes:
    buffer = BytesIO()
    noise(40, 30).save(buffer, kind)
    return buffer.getvalue()


def test_a_whole_picture_is_read(tmp_path: Path) -> None:
    noise(5, 7).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert np.array_equal(np.asarray(image), np.asarray(noise(5, 7)))
    assert read_size(tmp_path / "a.png") == (5, 7)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_truncated_picture_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"cut.{kind.lower()}"
    whole = encoded(kind)
    for length in (12, 30, len(whole) // 2, len(whole) * 3 // 4):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError) as caught:
            read_image(path)
        assert str(path) in str(caught.value)
        assert "re-export it" in str(caught.value)
        assert "remove it" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file (0 bytes)"), (b"<html>not found</html>", "not a picture that can be read")],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    for read in (read_image, read_size):
        with pytest.raises(DataError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert reason in str(caught.value)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(40, 30).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 30 // 2 - 1)
    with pytest.raises(DataError, match=r"bomb\.png: has so many pixels .* shrink it or remove it"):
        read_image(tmp_path / "bomb.png")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: no such file"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_of_the_upright_picture(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{kind}"
    noise(20, 10).save(path, exif=exif)
    assert read_size(path) == ((20, 10) if orientation < 5 else (10, 20))


def test_every_suffix_is_one_pillow_opens() -> None:
    extensions = Image.registered_extensions()
    assert {suffix for suffix in IMAGE_SUFFIXES if extensions.get(suffix) not in Image.OPEN} == set()
