"""Colour modes: an image of any mode becomes upright and 8-bit, in grey or colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from hubel.errors import DataError

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes

GREY, COLOUR = 1, 3
_MODES = {GREY: "L", COLOUR: "RGB"}
_GREY_ONLY = frozenset({"1", "L", "LA", "La", "I", "F"})
_SIXTEEN_BIT_WHITE = 65535


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


def flatten(image: Image.Image, depth: int) -> Image.Image:
    """Returns the image with 8 bits per channel, in mode L for `depth` 1 and RGB for `depth` 3.

    Transparency is laid over white, the background of most drawings and icons. 16-bit grey is scaled, never
    clipped: 65535 becomes 255. Colour becomes grey by ITU-R 601 luma.

    Raises DataError: floating-point or 32-bit pixels, whose white is unknown; a mode Pillow cannot convert.
    """
    try:
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            image = _eight_bits(image)
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
    if image.mode in _GREY_ONLY or image.mode.startswith("I;"):
        return False
    red, green, blue = np.moveaxis(np.asarray(flatten(image, COLOUR)), -1, 0)
    return bool((red != green).any() or (green != blue).any())


def _eight_bits(image: Image.Image) -> Image.Image:
    """Returns 16-bit grey as mode L; Pillow opens some 16-bit files as mode I."""
    values = np.asarray(image)
    if image.mode == "F":
        raise DataError(
            "an image of floating-point pixels has no known white; re-export it with 8 or 16 bits"
        )
    if values.min() < 0 or values.max() > _SIXTEEN_BIT_WHITE:
        raise DataError(
            f"an image of 32-bit pixels from {values.min()} to {values.max()} has no known white; "
            "re-export it with 8 or 16 bits"
        )
    scaled = (values.astype(np.int64) * 255 + _SIXTEEN_BIT_WHITE // 2) // _SIXTEEN_BIT_WHITE
    return Image.fromarray(scaled.astype(np.uint8))
