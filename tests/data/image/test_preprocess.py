"""Preprocessing against Pillow's own operations and against numpy in double precision."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

RNG = np.random.default_rng(2)


def waves(height: int, width: int) -> Image.Image:
    """A smooth image with some noise, in which an error of half a pixel shows."""
    y, x = np.mgrid[0:height, 0:width]
    wave = [127 + 80 * np.sin(y / 5 + k) * np.cos(x / 7 - k) for k in range(3)]
    noise = RNG.integers(-30, 30, (height, width, 3))
    return Image.fromarray((np.stack(wave, axis=-1) + noise).astype(np.uint8))


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 96), (100, 64), (16, 16), (16, 24)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_crop_is_pillows_fit(size: tuple[int, int], interpolation: Any) -> None:
    image = waves(*size)
    expected = ImageOps.fit(image, (32, 32), Image.Resampling[interpolation.upper()])
    found = Preprocessing.of("32x32x3", interpolation=interpolation).pixels(image)
    assert np.array_equal(found, np.asarray(expected))


def test_crop_for_an_oblong_network() -> None:
    image = waves(89, 70)
    expected = ImageOps.fit(image, (40, 20), Image.Resampling.BILINEAR)
    assert np.array_equal(Preprocessing.of((20, 40, 3)).pixels(image), np.asarray(expected))


@pytest.mark.parametrize(
    ("size", "scaled"), [((128, 192), (64, 96)), ((200, 80), (160, 64)), ((32, 48), (64, 96))]
)
def test_resize_then_crop(size: tuple[int, int], scaled: tuple[int, int]) -> None:
    image = waves(*size)
    whole = np.asarray(image.resize(scaled[::-1], Image.Resampling.BILINEAR))
    top, left = (scaled[0] - 48) // 2, (scaled[1] - 48) // 2
    found = Preprocessing.of("48x48x3", resize=64).pixels(image)
    assert np.array_equal(found, whole[top : top + 48, left : left + 48])


@settings(deadline=None)
@given(st.integers(8, 30), st.integers(8, 30))
def test_a_crop_without_scaling_changes_no_value(height: int, width: int) -> None:
    image = waves(height, width)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    found = Preprocessing.of((side, side, 3)).pixels(image)
    assert np.array_equal(found, np.asarray(image)[top : top + side, left : left + side])


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (64, 64), (8, 16), (100, 60)])
def test_pad_keeps_the_whole_image_with_black_borders(size: tuple[int, int]) -> None:
    image = waves(*size)
    expected = ImageOps.pad(image, (32, 32), Image.Resampling.BILINEAR, color=(0, 0, 0))
    assert np.array_equal(Preprocessing.of("32x32x3", fit="pad").pixels(image), np.asarray(expected))


def test_squash_stretches() -> None:
    image = waves(50, 90)
    expected = image.resize((24, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(Preprocessing.of("32x24x3", fit="squash").pixels(image), np.asarray(expected))


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.sampled_from(["crop", "pad", "squash"]),
    st.sampled_from([None, 20, 33]),
    st.sampled_from([1, 3]),
)
def test_any_image_gets_the_requested_size(
    size: tuple[int, int], wanted: tuple[int, int], fit: Any, resize: int | None, depth: int
) -> None:
    preprocessing = Preprocessing.of((*wanted, depth), fit=fit, resize=resize if fit == "crop" else None)
    white = Image.new("RGB", size, "white")
    pixels = preprocessing.pixels(white)
    assert pixels.shape == (*wanted, depth)
    assert pixels.dtype == np.uint8
    assert set(np.unique(pixels)) <= ({0, 255} if fit == "pad" else {255})
    assert pixels.max() == 255


def test_pixels_turns_and_flattens_first() -> None:
    image = Image.new("LA", (4, 8), (0, 0))
    image.getexif()[0x0112] = 6
    pixels = Preprocessing.of("4x8x1").pixels(image)
    assert pixels.shape == (4, 8, 1)
    assert (pixels == 255).all()


@pytest.mark.parametrize("shape", [(16, 24, 3), (16, 24, 1), (30, 20, 3), (30, 20, 1)])
@pytest.mark.parametrize("depth", [1, 3])
def test_an_array_is_an_image(shape: tuple[int, int, int], depth: int) -> None:
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    image = Image.fromarray(pixels.squeeze(-1) if shape[-1] == 1 else pixels)
    preprocessing = Preprocessing.of((16, 24, depth))
    assert np.array_equal(preprocessing.pixels(pixels), preprocessing.pixels(image))


def test_an_array_of_the_networks_size_is_enlarged_and_cropped_as_an_image_is() -> None:
    seen = Preprocessing.of("20x16x3", resize=24)
    array = np.random.default_rng(0).integers(0, 256, (20, 16, 3), np.uint8)
    by_pillow = Image.fromarray(array).resize(
        (16, 20), Image.Resampling.BILINEAR, box=(2, 3, 2 + 32 / 3, 3 + 40 / 3)
    )
    assert (seen.pixels(array) == np.array(by_pillow)).all()
    assert (replace(seen, width=20, resize=20).pixels(np.zeros((20, 20, 3), np.uint8)) == 0).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_fitted_from_its_shrunk_decoding(tmp_path: Path, fit: Any, orientation: int) -> None:
    """A quarter of 200 x 260 still has the 48 pixels that both sides need; Pillow makes it by `draft`."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    waves(200, 260).save(tmp_path / "a.jpg", exif=exif)
    preprocessing = Preprocessing.of("40x48x3", fit=fit)
    with Image.open(tmp_path / "a.jpg") as image:
        image.draft(None, (260 // 4, 200 // 4))
        assert image.size == (65, 50)
        expected = preprocessing.pixels(image)
        assert np.array_equal(preprocessing.read(tmp_path / "a.jpg"), expected)
    with Image.open(tmp_path / "a.jpg") as image:
        whole = preprocessing.pixels(image)
    assert np.abs(whole.astype(int) - expected).mean() < 10


def test_a_shrunk_file_keeps_at_least_resize_pixels(tmp_path: Path) -> None:
    waves(200, 260).save(tmp_path / "a.jpg")
    expected = []
    for by in (1, 2, 4):
        with Image.open(tmp_path / "a.jpg") as image:
            image.draft(None, (260 // by, 200 // by))
            image.load()
            expected.append(image)
    for resize, image in zip((101, 100, 50), expected, strict=True):
        preprocessing = Preprocessing.of("40x40x3", resize=resize)
        assert np.array_equal(preprocessing.read(tmp_path / "a.jpg"), preprocessing.pixels(image))


def test_an_ambiguous_file_is_named(tmp_path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif: an image of floating-point pixels"):
        Preprocessing.of("4x4x1").read(tmp_path / "a.tif")


@pytest.mark.parametrize("depth", [1, 3])
def test_normalise_is_value_minus_mean_over_std(depth: int) -> None:
    images = RNG.integers(0, 256, (5, 6, 7, depth), dtype=np.uint8)
    mean, std = (0.2, 0.5, 0.7)[:depth], (0.3, 0.25, 0.5)[:depth]
    preprocessing = Preprocessing(6, 7, depth, mean, std)
    found = preprocessing.normalise(torch.from_numpy(images))
    expected = ((images.astype(np.float64) / 255 - mean) / std).transpose(0, 3, 1, 2)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("batch", [torch.zeros(2, 6, 7, 3), torch.zeros(2, 3, 6, 7, dtype=torch.uint8)])
def test_normalise_refuses_another_shape_or_type(batch: torch.Tensor) -> None:
    with pytest.raises(DataError, match=r"a batch is uint8 of n x 6 x 7 x 3, not torch\."):
        Preprocessing.of("6x7x3").normalise(batch)


def test_measured_is_numpys_mean_and_std() -> None:
    images = RNG.integers(0, 256, (2500, 4, 5, 3), dtype=np.uint8)
    images[..., 2] //= 3
    found = Preprocessing.of("4x5x3").measured(images)
    np.testing.assert_allclose(found.mean, (images / 255).mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.std, (images / 255).std(axis=(0, 1, 2)), rtol=1e-12)
    normal = found.normalise(torch.from_numpy(images))
    assert normal.mean().abs().item() < 1e-4
    assert normal.std().item() == pytest.approx(1, abs=1e-4)


def test_a_constant_channel_is_not_scaled() -> None:
    found = Preprocessing.of("2x2x1").measured(np.full((3, 2, 2, 1), 51, np.uint8))
    assert found.mean == pytest.approx((0.2,))
    assert found.std == (1.0,)


@pytest.mark.parametrize("shape", [(0, 2, 2, 1), (3, 2, 2, 3)])
def test_measured_refuses_an_empty_array_and_another_depth(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="n x h x w x 1"):
        Preprocessing.of("2x2x1").measured(np.zeros(shape, np.uint8))


@settings(deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
    st.lists(st.floats(min_value=1e-300, max_value=1e300), min_size=3, max_size=3),
    st.sampled_from([None, 64]),
)
def test_json_round_trip(mean: list[float], std: list[float], resize: int | None) -> None:
    value = Preprocessing(32, 48, 3, tuple(mean), tuple(std), "crop", resize, "bicubic")
    assert Preprocessing.from_json(value.to_json()) == value


def test_json_of_before_has_no_range_and_one_with_a_range_keeps_it() -> None:
    before = Preprocessing.of("8x8x1")
    assert "range" not in before.to_json()
    after = replace(before, range=(29961.0, 30119.0))
    assert Preprocessing.from_json(after.to_json()) == after


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_deep_images_are_scaled_by_their_range(kind: type, tmp_path: Path) -> None:
    values: npt.NDArray[np.generic] = np.array([[990, 1000, 1001], [1025, 1050, 1060]], kind)
    Image.fromarray(values).save(tmp_path / "a.tif")
    deep = replace(Preprocessing.of("2x3x1"), range=(1000.0, 1050.0))
    assert deep.read(tmp_path / "a.tif")[..., 0].tolist() == [[0, 0, 5], [128, 255, 255]]  # 5.1 and 127.5
    eight = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    assert deep.pixels(eight)[..., 0].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_deep_images_of_another_unit_are_refused() -> None:
    deep = replace(Preprocessing.of("2x2x1"), range=(29961.0, 30119.0))
    with pytest.raises(DataError, match="from 5 to 5, are all far outside the range"):
        deep.pixels(Image.fromarray(np.full((2, 2), 5, np.uint16)))
    with pytest.raises(DataError, match="no number"):
        deep.pixels(Image.fromarray(np.full((2, 2), np.nan, np.float32)))
    narrow = np.arange(29961, 29961 + 150).reshape(10, 15).astype(np.uint16)
    with pytest.raises(DataError, match="one grey at 8 bits"):
        Preprocessing.of("2x2x1").pixels(Image.fromarray(narrow))


def test_json_with_whole_numbers_for_floats_is_read() -> None:
    text = Preprocessing.of("8x8x1").to_json().replace("0.0", "0").replace("1.0", "1")
    assert Preprocessing.from_json(text) == Preprocessing.of("8x8x1")


def altered(**changes: object) -> str:
    return json.dumps({**json.loads(Preprocessing.of("8x8x1").to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "a JSON object"),
        (altered(heigth=8), "has no 'heigth'; did you mean height?"),
        (altered(fit="crob"), "fit is one of crop, pad, squash, not 'crob'; did you mean crop?"),
        (altered(fit=["crop"]), "fit is one of"),
        (altered(interpolation="nearest"), "interpolation is one of bilinear, bicubic"),
        (altered(height=0), "height is a whole number of at least 1, not 0"),
        (altered(width=8.0), "width is a whole number"),
        (altered(depth=2), "depth is 1 for grey or 3 for colour, not 2"),
        (altered(depth=True), "depth is 1"),
        (altered(mean=[0.1, 0.2]), "mean is a tuple of 1"),
        (altered(mean=0.1), "mean is a tuple of 1"),
        (altered(mean=["0"]), "mean has finite floats"),
        (altered(mean=[float("nan")]), "mean has finite floats"),
        (altered(std=[0]), "std has finite floats above 0, not 0.0"),
        (altered(range=[3.0, 3.0]), "range is a low and a higher float, or nothing"),
        (altered(range=[1.0]), "range is a low"),
        (altered(range="full"), "range is a low"),
        (altered(resize=7), "at least 8, not 7"),
        (altered(resize=16, fit="pad"), "resize belongs to fit='crop'"),
    ],
)
def test_json_that_does_not_fit_is_refused(text: str, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        Preprocessing.from_json(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize("key", [field.name for field in fields(Preprocessing) if field.name != "range"])
def test_json_that_lacks_a_key_is_refused(key: str) -> None:
    content = json.loads(Preprocessing.of("8x8x1").to_json())
    del content[key]
    with pytest.raises(DataError, match=f"lacks '{key}'"):
        Preprocessing.from_json(json.dumps(content))


def test_a_replaced_field_is_checked_too() -> None:
    with pytest.raises(DataError, match="depth"):
        replace(Preprocessing.of("8x8x1"), depth=4)


def test_at_another_size_the_margin_of_the_crop_stays_in_proportion() -> None:
    """224 of 256 pixels, the usual test crop of ImageNet, are 112 of 128."""
    own = Preprocessing.of("224x224x3", resize=256)
    assert own.at("112x112x3") == Preprocessing.of("112x112x3", resize=128)
    assert own.at("224x224x3") == own
    assert own.at("112x64x3").resize == own.at("64x112x3").resize == 128
    assert own.at("200x200x3").resize == 229  # 228.57 rounded
    assert Preprocessing.of("8x8x1", fit="pad").at("16x12x1") == Preprocessing.of("16x12x1", fit="pad")


def test_pixels_can_be_written_to_even_of_an_array_that_cannot() -> None:
    fixed = np.zeros((8, 8, 3), np.uint8)
    fixed.flags.writeable = False
    assert Preprocessing.of("8x8x3").pixels(fixed).flags.writeable
    torch.from_numpy(Preprocessing.of("8x8x3").pixels(fixed))  # without a warning
