"""Reading picture files: a whole picture, or an error that names the file and what to do with it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".apng", ".gif", ".bmp", ".dib"),
        *(".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
    }
)
"""The endings, in lower case, of the files hubel takes for pictures."""

_ORIENTATION = 0x0112
_LYING = frozenset({5, 6, 7, 8})


def read_image(path: Path) -> Image.Image:
    """Opens a picture and reads all its pixels; of an animation or a file of many pages, the first.

    The picture is as the file has it: `Preprocessing.pixels` turns it upright and converts its mode.

    Raises DataError: no such file, one that may not be read, an empty file, no picture, a damaged or
    truncated one, one of so many pixels that it may be a decompression bomb.
    """
    with _opened(path) as image:
        image.load()
        return image


def read_size(path: Path) -> tuple[int, int]:
    """Returns a picture's height and width in pixels, upright, mostly from its header alone.

    Raises DataError: as `read_image`, for what the header shows.
    """
    with _opened(path) as image:
        if image.format == "TIFF":
            image.load()  # turns it; whether its size is turned before that differs between Pillow's versions
        width, height = image.size
        lying = image.getexif().get(_ORIENTATION) in _LYING
        return (width, height) if lying else (height, width)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Opens a picture; whatever goes wrong with it until the end of the block becomes a DataError."""
    try:
        with Image.open(path) as image:
            yield image
    except (
        Exception
    ) as error:  # a decoder on damaged bytes raises OSError, SyntaxError, struct.error and more
        raise DataError(f"{path}: {_reason(path, error)}") from error


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "has so many pixels that it may be a decompression bomb; shrink it or remove it"
    if isinstance(error, UnidentifiedImageError):
        if path.stat().st_size == 0:
            return "is an empty file (0 bytes); re-export it or remove it"
        return "is not a picture that can be read; re-export it as PNG or JPEG, or remove it"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}; mend that or remove it"
    return f"is a damaged picture ({error}); re-export it or remove it"
