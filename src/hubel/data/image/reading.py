"""Reading image files: the whole image, or an error that names the file and the remedy."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import simplejpeg
from PIL import Image, UnidentifiedImageError

from hubel.data.image.modes import as_image, is_deep
from hubel.errors import DataError
from hubel.files import check_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hubel.data.arrays import Bytes

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".apng", ".gif", ".bmp", ".dib"),
        *(".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
    }
)
"""The file name endings, in lower case, that count as images."""

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA")
"""The formats that are read; of others, Pillow opens some by starting programs, as Ghostscript for EPS."""

FOREIGN_SUFFIXES = frozenset(
    {
        *(".heic", ".heif", ".jxl", ".svg", ".eps", ".psd", ".ico", ".exr", ".hdr", ".dcm", ".fits"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    }
)
"""The endings of images in formats that are not read."""

_ORIENTATION = 0x0112
_LYING = frozenset({5, 6, 7, 8})
_JPEG = b"\xff\xd8\xff"
_PNG, _PNG_GREY_16 = b"\x89PNG\r\n\x1a\n", b"\x10\0"
_MAY_BE_TURNED = (b"Exif\0\0", b"tiff:Orientation")
_PLAIN = {"YCbCr": "RGB", "RGB": "RGB", "Gray": "GRAY"}
"""The JPEG colour spaces that both decoders read alike, and what each is decoded to."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An image file stored inside another file: its bytes, in memory, and its name."""

    name: str
    data: bytes

    def __str__(self) -> str:
        return self.name

    @property
    def suffix(self) -> str:
        """The ending of its name, as of a path."""
        return Path(self.name).suffix


File: TypeAlias = Path | Encoded
"""An encoded image; its text is its name."""


def opened(file: File) -> Image.Image:
    """Opens an image with Pillow without reading its pixels; may raise any kind of error."""
    if isinstance(file, Encoded):
        return Image.open(BytesIO(file.data), formats=FORMATS)
    if not check_regular(file):  # nothing, or a file of the kernel, whose reading may never end
        raise UnidentifiedImageError("an empty file")
    return Image.open(file, formats=FORMATS)


def is_image_file(path: Path) -> bool:
    """Whether a file counts as an image: by its ending, or by its content if it has no ending."""
    if path.suffix:
        return path.suffix.lower() in IMAGE_SUFFIXES
    try:
        with opened(path) as image:
            return image.format != "TGA"  # which has no mark of its own: nearly anything may look like one
    except Exception:  # as `_opened`
        return False


def is_empty(file: File) -> bool:
    """Whether a file exists and has no bytes."""
    if isinstance(file, Encoded):
        return not file.data
    return file.is_file() and file.stat().st_size == 0


def read_image(path: File) -> Image.Image:
    """Reads a whole image; of an animation or a file of several pages, the first one.

    The image is as stored: `Preprocessing.pixels` turns it upright and converts its mode.

    Raises DataError: the file is missing, not readable, empty, no image, damaged or truncated, or has so many
    pixels that it may be a decompression bomb.
    """
    raster = read_raster(path)
    return raster if isinstance(raster, Image.Image) else as_image(raster)


def read_raster(path: File, side: int | None = None) -> Image.Image | Bytes:
    """Reads an image as `read_image` does, but a plain JPEG file as an array: uint8, h x w x c, c of 1 or 3.

    If the network needs only `side` pixels of the shorter side, a JPEG file is decoded at a half, a quarter
    or an eighth of its size, as long as at least `side` pixels remain: the decoder then skips detail that
    resizing would average away.

    Raises DataError: as `read_image`.
    """
    raster = _plain_jpeg(path, side)
    if raster is not None:
        return raster
    with _opened(path) as image:
        if side is not None:
            image.draft(None, (side, side))  # does nothing for formats other than JPEG
        image.load()
        return image


def read_size(path: File) -> tuple[int, int]:
    """Returns an image's height and width in pixels, upright, in most formats from the header alone.

    Raises DataError: as `read_image`, as far as the header shows it.
    """
    with _opened(path) as image:
        if image.format == "TIFF":
            image.load()  # turns it; before that, its size is upright in some versions of Pillow only
        width, height = image.size
        lying = image.getexif().get(_ORIENTATION) in _LYING
        return (width, height) if lying else (height, width)


def holds_deep(file: File) -> bool:
    """Whether a file's image is deep (`modes.is_deep`), by its header; False if it cannot be read."""
    with suppress(Exception):
        start = file.data[:26] if isinstance(file, Encoded) else _start(file, 26)
        if start.startswith(_PNG):  # nearly all files of this kind, and ten times faster than Pillow
            return start[24:26] == _PNG_GREY_16
        if not start.startswith(_JPEG):
            with opened(file) as image:
                return is_deep(image)
    return False


def _start(path: Path, count: int) -> bytes:
    """The first bytes of a file."""
    if not check_regular(path):
        return b""
    with path.open("rb", buffering=0) as file:
        return file.read(count)


def _plain_jpeg(path: File, side: int | None) -> Bytes | None:
    """The pixels of a grey or three-colour JPEG file that has no orientation; None for any other file.

    They equal Pillow's bit for bit, since both call libjpeg-turbo, but are read several times faster. Damaged
    or unusual files are left to Pillow to read or refuse.
    """
    with suppress(OSError, ValueError):
        data = path.data if isinstance(path, Encoded) else _if_jpeg(path)
        if not data.startswith(_JPEG):
            return None
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        bomb = Image.MAX_IMAGE_PIXELS is not None and height * width > Image.MAX_IMAGE_PIXELS
        if colours not in _PLAIN or bomb or any(mark in data for mark in _MAY_BE_TURNED):
            return None
        by = 1 if side is None else _shrink(min(height, width) // side)
        least = (0, 0) if by == 1 else (-(-height // by), -(-width // by))
        pixels: Bytes = simplejpeg.decode_jpeg(data, _PLAIN[colours], min_height=least[0], min_width=least[1])
        return pixels
    return None


def _if_jpeg(path: Path) -> bytes:
    """A JPEG file's bytes; of any other file only the first few."""
    if not check_regular(path):
        return b""
    with path.open("rb", buffering=0) as file:
        data = file.read(len(_JPEG))
        return data + file.readall() if data == _JPEG else data


def _shrink(times: int) -> int:
    """The largest factor the decoder can shrink by that is at most `times`, as in Pillow's `draft`."""
    return next((step for step in (8, 4, 2) if step <= times), 1)


@contextmanager
def _opened(path: File) -> Iterator[Image.Image]:
    """Opens an image; any error until the end of the block becomes a DataError."""
    try:
        with opened(path) as image:
            yield image
    except (
        Exception
    ) as error:  # a decoder on damaged bytes raises OSError, SyntaxError, struct.error and more
        raise DataError(f"{path}: {_reason(path, error)}") from error


def _reason(path: File, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return f"is a folder; give its files, such as {Path(str(path), '*.jpg')}"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "has so many pixels that it may be a decompression bomb; shrink it or remove it"
    if isinstance(error, UnidentifiedImageError):
        if is_empty(path):
            return "is an empty file (0 bytes); re-export it or remove it"
        return "is not an image that can be read; re-export it as PNG or JPEG, or remove it"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}; correct that or remove it"
    return f"is a damaged image ({error}); re-export it or remove it"
