"""Image files, intact and damaged."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from hubel.data.check import check
from hubel.data.dataset import FileImages
from hubel.data.feed.cache import decode_once
from hubel.data.image.preprocess import Preprocessing
from hubel.data.image.reading import (
    FORMATS,
    IMAGE_SUFFIXES,
    Encoded,
    holds_deep,
    is_image_file,
    read_image,
    read_raster,
    read_size,
)
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable


def noise(height: int, width: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(kind: str) -> bytes:
    buffer = BytesIO()
    noise(40, 30).save(buffer, kind)
    return buffer.getvalue()


def test_a_whole_image_is_read(tmp_path: Path) -> None:
    noise(5, 7).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert np.array_equal(np.asarray(image), np.asarray(noise(5, 7)))
    assert read_size(tmp_path / "a.png") == (5, 7)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_truncated_image_is_refused_by_name(tmp_path: Path, kind: str) -> None:
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
    [(b"", "empty file (0 bytes)"), (b"<html>not found</html>", "not an image that can be read")],
)
def test_a_file_that_is_not_an_image_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
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
    with pytest.raises(DataError, match="is a folder; give its files"):
        read_image(tmp_path)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_of_the_upright_image(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{kind}"
    noise(20, 10).save(path, exif=exif)
    assert read_size(path) == ((20, 10) if orientation < 5 else (10, 20))


def test_every_suffix_is_one_pillow_opens() -> None:
    extensions = Image.registered_extensions()
    assert {suffix for suffix in IMAGE_SUFFIXES if extensions.get(suffix) not in Image.OPEN} == set()


def waves(height: int, width: int, mode: str = "RGB") -> Image.Image:
    """A smooth image with some noise, so that every coefficient of a JPEG file matters."""
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([127 + 80 * np.sin(y / 5 + k) * np.cos(x / 7 - k) for k in range(3)], axis=-1)
    pixels = smooth + np.random.default_rng(height).integers(-30, 30, smooth.shape)
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def by_pillow(path: Path, side: int | None = None) -> Any:
    with Image.open(path) as image:
        if side is not None:
            image.draft(None, (side, side))
        return np.asarray(image)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_plain_jpeg_is_read_as_pillow_reads_it(tmp_path: Path, mode: str, progressive: bool) -> None:
    path = tmp_path / "a.jpg"
    sizes = [(3, 4), (7, 5), (17, 33), (64, 64), (101, 203)]
    for size, quality, subsampling in product(sizes, (30, 75, 95), (0, 1, 2)):
        waves(*size, mode).save(path, quality=quality, subsampling=subsampling, progressive=progressive)
        for side in (None, 1, 2, 8, 12, 30):
            raster = read_raster(path, side)
            assert isinstance(raster, np.ndarray)
            assert np.array_equal(raster.squeeze(-1) if mode == "L" else raster, by_pillow(path, side))
        image = read_image(path)
        assert (image.mode, image.size) == (mode, size[::-1])


@pytest.mark.parametrize(("side", "height"), [(None, 101), (51, 101), (50, 51), (26, 51), (25, 26), (3, 13)])
def test_a_large_jpeg_is_decoded_at_a_half_a_quarter_or_an_eighth(
    tmp_path: Path, side: int | None, height: int
) -> None:
    """Of 101 rows a half has 51, a quarter 26, an eighth 13, each rounded up."""
    waves(101, 203).save(tmp_path / "a.jpg")
    waves(101, 203).save(tmp_path / "turned.jpg", exif=turned(3))
    waves(101, 203).save(tmp_path / "a.png")
    for name, expected in (("a.jpg", height), ("turned.jpg", height), ("a.png", 101)):
        raster = read_raster(tmp_path / name, side)
        assert (raster.height if isinstance(raster, Image.Image) else len(raster)) == expected


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_jpeg_is_read_upright(tmp_path: Path, orientation: int) -> None:
    """Against the same pixels, turned here and stored without loss."""
    by_hand: dict[int, Callable[[Any], Any]] = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: np.rot90,
    }
    waves(64, 48).save(tmp_path / "a.jpg", exif=turned(orientation))
    Image.fromarray(by_hand[orientation](by_pillow(tmp_path / "a.jpg"))).save(tmp_path / "a.png")
    preprocessing = Preprocessing.of("40x40x3")
    assert np.array_equal(preprocessing.read(tmp_path / "a.jpg"), preprocessing.read(tmp_path / "a.png"))
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="{orientation}"/></x:xmpmeta>'
    waves(64, 48).save(tmp_path / "xmp.jpg", xmp=xmp.encode())
    assert np.array_equal(preprocessing.read(tmp_path / "xmp.jpg"), preprocessing.read(tmp_path / "a.png"))


def test_unusual_jpegs_are_read_by_pillow(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    waves(20, 30, "CMYK").save(path)
    raster = read_raster(path)
    assert isinstance(raster, Image.Image)
    assert raster.mode == "CMYK"
    waves(20, 30).save(path, keep_rgb=True)
    assert np.array_equal(np.asarray(read_image(path)), by_pillow(path))
    waves(20, 30).save(path, "PNG")
    assert np.array_equal(np.asarray(read_image(path)), np.asarray(waves(20, 30)))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_accepted_or_refused_as_by_pillow(tmp_path: Path, progressive: bool) -> None:
    whole, path = BytesIO(), tmp_path / "a.jpg"
    waves(40, 30).save(whole, "JPEG", progressive=progressive)
    refused = 0
    for length in range(4, whole.tell(), 7):
        path.write_bytes(whole.getvalue()[:length])
        try:
            expected = by_pillow(path)
        except Exception:  # Pillow raises OSError, SyntaxError, struct.error and more on damaged bytes
            refused += 1
            with pytest.raises(DataError, match="re-export it"):
                read_raster(path)
        else:
            assert np.array_equal(np.asarray(read_image(path)), expected)
    assert refused > 50


def test_a_damaged_jpeg_is_accepted_or_refused_as_by_pillow(tmp_path: Path) -> None:
    whole, path = BytesIO(), tmp_path / "a.jpg"
    waves(40, 30).save(whole, "JPEG")
    generator = np.random.default_rng(0)
    read = 0
    for _ in range(200):
        content = bytearray(whole.getvalue())
        content[generator.integers(3, len(content))] = generator.integers(256)
        path.write_bytes(content)
        try:
            expected = by_pillow(path)
        except Exception:  # Pillow raises OSError, SyntaxError, struct.error and more on damaged bytes
            with pytest.raises(DataError):
                read_raster(path)
        else:
            read += 1
            assert np.array_equal(np.asarray(read_image(path)), expected)
    assert read > 50


def test_a_jpeg_bomb_is_refused_at_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(40, 30).save(tmp_path / "bomb.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 30 // 2 - 1)
    with pytest.raises(DataError, match=r"bomb\.jpg: has so many pixels"):
        read_raster(tmp_path / "bomb.jpg", 1)


@pytest.fixture
def special(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What has an image's ending but is no regular file: a pipe, a device, a socket and a link to itself."""
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    pipe, device, local, loop = (tmp_path / f"{name}.png" for name in ("pipe", "device", "socket", "loop"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    monkeypatch.chdir(tmp_path)  # the path of a socket is at most 100 characters long
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(local.name)
    loop.symlink_to(loop)
    return [pipe, device, local, loop]


def test_only_regular_files_are_opened(special: list[Path], tmp_path: Path) -> None:
    noise(6, 6).save(tmp_path / "good.png")
    paths = (*special, tmp_path / "good.png")
    images = FileImages(np.zeros(len(paths), np.int64), paths)
    for path in special:
        for read in (read_image, read_size, Preprocessing.of("6x6x3").read):
            with pytest.raises(DataError, match=r"cannot be read: (not a regular file|Too many levels)"):
                read(path)
        assert not holds_deep(path)
    found = decode_once(images, Preprocessing.of("6x6x3"), on_bad="skip")
    assert [bad.name for bad in found.skipped] == list(map(str, special))
    assert len(found) == 1


def test_a_class_folder_with_special_files_has_as_many_bad_rows(special: list[Path], tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        noise(6, 6).save(tmp_path / "set" / label / "1.png")
    for path in special:
        path.rename(tmp_path / "set" / "b" / path.name)
    found = check(tmp_path / "set")
    damaged = [finding for finding in found.findings if finding.kind == "damaged"]
    assert len(damaged) == len(special)
    assert found.images == 6


def test_no_format_is_opened_that_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would start Ghostscript for EPS, whatever the file's ending."""
    noise(6, 6).convert("RGB").save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", None)
    with pytest.raises(DataError, match="not an image that can be read"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DataError, match="not an image that can be read"):
        read_image(Encoded("a.png", (tmp_path / "a.png").read_bytes()))
    (tmp_path / "a.png").rename(tmp_path / "a")
    assert not is_image_file(tmp_path / "a")


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_ending_has_a_format_that_is_read(suffix: str) -> None:
    Image.init()
    assert Image.registered_extensions()[suffix] in FORMATS


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM"])
def test_a_file_without_an_ending_is_an_image_by_its_content(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "0a3f"
    path.write_bytes(encoded(kind))
    assert is_image_file(path)
    for content in (b"", b"# notes\n", bytes(40)):
        path.write_bytes(content)
        assert not is_image_file(path)


def test_a_file_that_says_it_is_empty_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the kernel are regular ones of 0 bytes, and reading some of them never ends."""
    (tmp_path / "empty").touch()
    monkeypatch.setattr(Image, "open", lambda *_args, **_options: pytest.fail("it was opened"))
    assert not is_image_file(tmp_path / "empty")
    with pytest.raises(DataError, match="is an empty file"):
        read_image(tmp_path / "empty")
