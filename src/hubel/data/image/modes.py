"""Colour modes: an image of any mode becomes upright and 8-bit, in grey or colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image, ImageOps

from hubel.errors import DataError

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes

Range: TypeAlias = tuple[float, float]
"""The value that becomes black and the value that becomes white."""

GREY, COLOUR = 1, 3
FULL: Range = (0.0, 65535.0)
"""The range of 16-bit values."""

_MODES = {GREY: "L", COLOUR: "RGB"}
_FEWEST = 16
_GREY_ONLY = frozenset({"1", "L", "LA", "La", "I", "F"})


def upright(image: Image.Image) -> Image.Image:
    """Returns the image turned by its EXIF orientation, as every viewer shows it.

    Raises DataError: its EXIF block cannot be read.
    """
    try:
        return ImageOps.exif_transpose(image)
    except Exception as error:  # Pillow's EXIF reader raises SyntaxError, struct.error, KeyError and more
        raise DataError(
            f"the image's EXIF block is damaged ({error}), so its orientation is unknown; "
            "re-export the image or strip its metadata"
        ) from error


def is_deep(image: Image.Image) -> bool:
    """Whether an image holds more than 8 bits per pixel: 16-bit, 32-bit or floating-point grey."""
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def loses_bits(image: Image.Image) -> bool:
    """Whether a file just opened has 16 bits per colour, of which Pillow reads the upper 8."""
    sixteen = False
    for part in getattr(image, "tile", ()):
        maximum = part.args[1] if part.codec_name == "ppm" and isinstance(part.args, tuple) else 0
        sixteen |= ";16" in str(part.args) or maximum > 255
    return sixteen and not is_deep(image)


def flatten(image: Image.Image, depth: int, range_: Range | None = None) -> Image.Image:
    """Returns the image with 8 bits per channel, in mode L for `depth` 1 and RGB for `depth` 3.

    Transparency is laid over white, the background of most drawings and icons. Colour becomes grey by ITU-R
    601 luma. A deep image is scaled so that `range_` becomes black to white, and clipped beyond; without a
    range 16 bits are scaled whole: 65535 becomes 255.

    Raises DataError: without a range, floating-point or 32-bit pixels, whose white is unknown, or 16-bit
    pixels of which 8 bits would leave one grey; with one, pixels that are no number, or all far beyond it;
    a mode Pillow cannot convert.
    """
    try:
        if is_deep(image):
            image = _whole(image) if range_ is None else _scaled(image, range_)
        elif image.has_transparency_data:
            paper = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(paper, image.convert("RGBA"))
        elif image.mode == "LAB":
            image = image.convert(_MODES[COLOUR])  # Pillow converts it to grey only by way of this
        return image.convert(_MODES[depth])
    except ValueError as error:
        raise DataError(
            f"an image of mode {image.mode} cannot become {_MODES[depth]} ({error}); re-export it as PNG"
        ) from error


def as_image(pixels: Bytes) -> Image.Image:
    """Returns pixels as an image of mode L or RGB; `pixels`: uint8, h x w x c with c of 1 or 3."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == GREY else pixels)


def has_colour(image: Image.Image) -> bool:
    """Whether any pixel is not grey; a grey image stored as RGB has no colour.

    Raises DataError: as `flatten`.
    """
    if image.mode in _GREY_ONLY or is_deep(image):
        return False
    red, green, blue = np.moveaxis(np.asarray(flatten(image, COLOUR)), -1, 0)
    return bool((red != green).any() or (green != blue).any())


def _whole(image: Image.Image) -> Image.Image:
    """Returns 16-bit grey as mode L; Pillow opens some 16-bit files as mode I."""
    values = np.asarray(image)
    if image.mode == "F":
        raise DataError(
            "an image of floating-point pixels has no known white; re-export it with 8 or 16 bits"
        )
    if values.min() < FULL[0] or values.max() > FULL[1]:
        raise DataError(
            f"an image of 32-bit pixels from {values.min()} to {values.max()} has no known white; "
            "re-export it with 8 or 16 bits"
        )
    scaled = _scaled(image, FULL)
    if np.ptp(np.asarray(scaled)) <= 1 and len(np.unique(values)) >= _FEWEST:
        raise DataError(
            f"its 16-bit pixels, from {values.min()} to {values.max()}, would be one grey at 8 bits; the "
            "model was trained on no 16-bit images: scale these to 8 bits as its training images were"
        )
    return scaled


def _scaled(image: Image.Image, range_: Range) -> Image.Image:
    """Returns a deep image as mode L, `range_` as black to white."""
    values, (low, high) = np.asarray(image).astype(np.float64), range_
    if not np.isfinite(values).all():
        raise DataError("some of its pixels are no number; replace NaN and infinity, or remove it")
    span = high - low
    if values.max() < low - span or values.min() > high + span:
        raise DataError(
            f"its pixels, from {values.min():g} to {values.max():g}, are all far outside the range of the "
            f"training images, {low:g} to {high:g}; bring it to their unit, or remove it"
        )
    scaled = np.rint((values - low) * 255 / span).clip(0, 255)
    return Image.fromarray(scaled.astype(np.uint8))
