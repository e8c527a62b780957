"""What is predicted: images as they are given, in folders, patterns, lists and shards, one by one."""

from __future__ import annotations

import glob
import os
import sys
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeAlias
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
from PIL import Image

from hubel.data.formats.folder import visible
from hubel.data.image.objects import is_path, is_tensor, no_image
from hubel.data.image.reading import FOREIGN_SUFFIXES, IMAGE_SUFFIXES, Encoded, is_image_file
from hubel.errors import DataError
from hubel.files import check_regular, exists

if TYPE_CHECKING:
    from hubel.data.image.objects import ImageLike

Input: TypeAlias = "ImageLike | Encoded"

STDIN = "-"
LIST = "@"
"""What a list's name begins with: a file of paths, one per line."""

REMOTE = ("http://", "https://")
WAIT = 60.0
"""Seconds until a server that sends nothing is given up."""

MOST_BYTES = 1 << 30
"""The largest image in a shard, in bytes as it is stored."""


def is_one_image(images: object) -> bool:
    """Whether this is one image: a path that stands for no more than one, a PIL image, an array of one."""
    if is_path(images):
        return not _stands_for_several(images)
    array = isinstance(images, np.ndarray) or is_tensor(images)
    return isinstance(images, Image.Image) or (array and getattr(images, "ndim", 0) < 4)


def several(images: ImageLike | Iterable[ImageLike]) -> Iterator[Input]:
    """Yields images as they are given, one by one, in order; a text is never iterated.

    A path may be:

    - a folder: the images in it and in its subfolders, sorted by name. They are recognised by their ending,
      those without one by their content; one in a format that is not read gives a prediction with an error.
      Hidden files and folders are left out, and so are links to folders;
    - a pattern, `photos/**/*.jpg`: the files that it matches, sorted by name;
    - a list, `@files.txt`: the paths in it, one per line; `-` reads them from standard input;
    - a shard, `.tar`, also at an http address: the images in it, in its order.

    Raises DataError: a folder, a pattern, a list or a shard without images, one that cannot be read, or
    neither an image nor several.
    """
    every: Any = [images] if is_one_image(images) or is_path(images) else images
    if not isinstance(every, Iterable):
        raise no_image(images)
    for image in every:
        if is_path(image) and _stands_for_several(image):
            yield from _expanded(os.fspath(image))
        else:
            yield image


def _stands_for_several(path: str | os.PathLike[str]) -> bool:
    text = os.fspath(path)
    if text == STDIN or text.startswith(REMOTE):
        return True
    if exists(text):
        return Path(text).is_dir() or text.lower().endswith(".tar")
    return text.startswith(LIST) or glob.has_magic(text)


def _expanded(text: str) -> Iterator[Input]:
    """The images that a path stands for. Raises DataError: there are none."""
    if text == STDIN:
        yield from _found(_lines(sys.stdin), "standard input: no paths of images, one per line")
    elif text.startswith(REMOTE) or text.lower().endswith(".tar"):
        yield from _found(_in_shard(text), f"{text}: a shard without images")
    elif exists(text):
        nothing = f"{text}: a folder without images (files that end in .jpg, .png and the like)"
        yield from _found(_inside(Path(text)), nothing)
    elif text.startswith(LIST):
        try:
            with Path(text[1:]).open(encoding="utf-8", errors="surrogateescape") as lines:
                yield from _found(_lines(lines), f"{text[1:]}: a list without paths, one per line")
        except OSError as error:
            raise DataError(f"{text[1:]}: the list cannot be read: {error.strerror}") from None
    else:
        found = glob.glob(text, recursive=True)  # noqa: PTH207 - a path's own begins at one folder
        matches = (path for path in sorted(found) if not Path(path).is_dir())
        yield from _found(matches, f"{text}: no file matches")


def _found(images: Iterator[Input], nothing: str) -> Iterator[Input]:
    """The images. Raises DataError: there are none."""
    first = next(images, None)
    if first is None:
        raise DataError(nothing)
    yield first
    yield from images


def _lines(lines: Iterable[str]) -> Iterator[Input]:
    """The paths in the lines of a text that are not empty."""
    for line in lines:
        if line.strip():
            yield line.strip("\r\n")


def _inside(folder: Path) -> Iterator[Input]:
    for path in visible(folder):
        if path.is_dir():
            yield from () if path.is_symlink() else _inside(path)
        elif path.suffix.lower() in FOREIGN_SUFFIXES or is_image_file(path):
            yield path


def _in_shard(where: str) -> Iterator[Input]:
    """The images of a shard, read from its beginning to its end. Raises DataError: it cannot be read."""
    try:
        with _opened(where) as file, tarfile.open(fileobj=file, mode="r|*", tarinfo=_Member) as shard:
            for member in shard:
                if not member.isreg() or Path(member.name).suffix.lower() not in IMAGE_SUFFIXES:
                    continue
                if member.size > MOST_BYTES:
                    raise DataError(f"{where}: {member.name} has {member.size:,} bytes")
                content = shard.extractfile(member)
                assert content is not None
                yield Encoded(f"{where}/{member.name}", content.read())
    except (tarfile.TarError, HTTPException, OSError, EOFError, ValueError) as error:
        strange = isinstance(error, UnicodeError)  # in an address; its reason would not say so
        reason = None if strange else getattr(error, "reason", None) or getattr(error, "strerror", None)
        reason = reason or str(error) or type(error).__name__
        raise DataError(f"{where}: the shard cannot be read: {reason}") from None


class _Member(tarfile.TarInfo):
    """A member of a shard that has to have an end: tarfile takes a cut or damaged header for one."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Returns the member of a header. Raises ReadError: it is damaged, or the shard has no end."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.TarError as error:
            if buf and not any(buf):  # the block of zeros at the end
                raise
            raise tarfile.ReadError(f"it is damaged or cut short ({error})") from None


@contextmanager
def _opened(where: str) -> Iterator[IO[bytes]]:
    if where.startswith(REMOTE):
        try:
            with urlopen(where, timeout=WAIT) as response:
                yield response
        except URLError as error:
            raise DataError(f"{where}: cannot be fetched: {error.reason}") from None
        return
    check_regular(where)
    with Path(where).open("rb") as file:
        yield file
