"""Images of every mode, against arithmetic on their pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from hubel.data.image.modes import COLOUR, GREY, flatten, has_colour, upright
from hubel.data.image.reading import read_image
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(1)
RGBA = RNG.integers(0, 256, (9, 11, 4), dtype=np.uint8)
RGB = RGBA[..., :3]


def values(image: Image.Image, depth: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(flatten(image, depth)).astype(np.float64)


def test_colour_stays_and_grey_is_repeated() -> None:
    assert np.array_equal(values(Image.fromarray(RGB), COLOUR), RGB)
    grey = RGB[..., 0]
    assert np.array_equal(values(Image.fromarray(grey), COLOUR), np.stack([grey] * 3, axis=-1))


def test_colour_becomes_grey_by_luma() -> None:
    expected = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(values(Image.fromarray(RGB), GREY) - expected).max() <= 0.51


@pytest.mark.parametrize("depth", [GREY, COLOUR])
def test_transparency_is_laid_over_white(depth: int) -> None:
    alpha = RGBA[..., 3:].astype(np.float64) / 255
    over = RGB * alpha + 255 * (1 - alpha)
    expected = over if depth == COLOUR else over @ np.array([0.299, 0.587, 0.114])
    assert np.abs(values(Image.fromarray(RGBA), depth) - expected).max() <= 1.01


def test_a_transparent_colour_of_a_palette_and_of_an_rgb_file_is_white(tmp_path: Path) -> None:
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 2), 1)
    palette.save(tmp_path / "p.png", transparency=0)
    plain = Image.new("RGB", (4, 4), (10, 20, 30))
    plain.putpixel((1, 2), (200, 100, 50))
    plain.save(tmp_path / "rgb.png", transparency=(10, 20, 30))
    for name in ("p.png", "rgb.png"):
        pixels = values(read_image(tmp_path / name), COLOUR)
        assert pixels[2, 1].tolist() == [200, 100, 50]
        assert (pixels.reshape(-1, 3) == 255).all(axis=1).sum() == 15


def test_grey_with_alpha_and_one_bit() -> None:
    grey_alpha = Image.merge("LA", (Image.new("L", (2, 1), 100), Image.new("L", (2, 1), 0)))
    grey_alpha.putpixel((0, 0), (100, 255))
    assert values(grey_alpha, GREY).tolist() == [[100, 255]]
    bits = Image.new("1", (2, 1), 0)
    bits.putpixel((1, 0), 1)
    assert values(bits, GREY).tolist() == [[0, 255]]


@pytest.mark.parametrize("kind", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path, kind: str) -> None:
    deep = np.linspace(0, 65535, 600).astype(np.uint16).reshape(20, 30)
    if kind == "pgm":
        (tmp_path / "deep.pgm").write_bytes(b"P5 30 20 65535\n" + deep.astype(">u2").tobytes())
    else:
        Image.fromarray(deep).save(tmp_path / f"deep.{kind}")
    image = read_image(tmp_path / f"deep.{kind}")
    assert image.mode.startswith("I")
    assert np.array_equal(values(image, GREY), np.rint(deep / 257.0))
    assert np.array_equal(values(image, COLOUR)[..., 1], np.rint(deep / 257.0))


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 40, 90)).convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    image = read_image(tmp_path / "c.jpg")
    assert image.mode == "CMYK"
    assert np.abs(values(image, COLOUR) - (200, 40, 90)).max() <= 4


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.ones((2, 2), np.float32), "floating-point"),
        (np.full((2, 2), 70000, np.int32), "32-bit pixels from 70000 to 70000"),
        (np.full((2, 2), -1, np.int32), "32-bit pixels from -1 to -1"),
    ],
)
def test_pixels_without_a_known_white_are_refused(
    pixels: np.ndarray[tuple[int, int], np.dtype[np.float32]], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        flatten(Image.fromarray(pixels), GREY)


def test_a_mode_that_cannot_be_converted_is_refused() -> None:
    with pytest.raises(DataError, match=r"mode La cannot become RGB .* re-export it as PNG"):
        flatten(Image.new("La", (2, 2)), COLOUR)


def test_lab_is_converted_to_grey_through_rgb() -> None:
    lab = Image.new("LAB", (2, 2), (120, 140, 100))
    assert (values(lab, GREY) == values(flatten(lab, COLOUR), GREY)).all()
    assert len(np.unique(values(lab, COLOUR))) == 3


TURNED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_followed(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{kind}"
    Image.fromarray(RGB).save(path, exif=exif)
    turned = upright(read_image(path))
    assert np.array_equal(np.asarray(turned), TURNED[orientation](RGB))
    assert np.array_equal(np.asarray(upright(turned)), np.asarray(turned))


def test_a_damaged_exif_block_is_refused(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=b"Exif\0\0nonsense that is no TIFF header")
    with pytest.raises(DataError, match="EXIF block is damaged"):
        upright(read_image(tmp_path / "a.png"))


def test_has_colour_depends_on_the_pixels_not_on_the_mode() -> None:
    grey = Image.fromarray(RGB[..., 0])
    assert not has_colour(grey)
    assert not has_colour(grey.convert("RGB"))
    assert not has_colour(Image.fromarray(RNG.integers(0, 65536, (3, 3), dtype=np.uint16)))
    assert has_colour(Image.fromarray(RGB))
    tinted = grey.convert("RGB")
    tinted.putpixel((3, 3), (10, 10, 11))
    assert has_colour(tinted)
    hidden = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert not has_colour(hidden)
