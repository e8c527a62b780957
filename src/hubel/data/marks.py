"""Recognising images by their pixels, whatever their names and places."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from hubel.errors import DataError

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.dataset import Images

SIZE = 6
"""Bytes of a mark: against a million known images, one of 280 million others is mistaken for a known one."""


def marks(images: Bytes) -> list[bytes]:
    """Returns the mark of each image; `images`: uint8, n x h x w x c."""
    return [hashlib.blake2b(image.tobytes(), digest_size=SIZE).digest() for image in images]


def written(found: Iterable[bytes]) -> str:
    """Returns marks as a text, each once."""
    return base64.b64encode(b"".join(sorted(set(found)))).decode("ascii")


def read(text: str) -> frozenset[bytes]:
    """Returns the marks in a text made by `written`. Raises ValueError: another text."""
    whole = base64.b64decode(text, validate=True)
    if len(whole) % SIZE:
        raise ValueError(f"{len(whole)} bytes are not a whole number of marks of {SIZE}")
    return frozenset(whole[at : at + SIZE] for at in range(0, len(whole), SIZE))


def digest(found: Iterable[bytes], labels: Iterable[int]) -> str:
    """Returns a checksum of images by their marks, and of their labels, in their order."""
    text = ",".join(map(str, labels))
    return hashlib.sha256(b"".join(found) + text.encode()).hexdigest()


LOOKED_AT = 8
"""The number of images, evenly spread, whose pixels enter a fingerprint."""


def fingerprint(images: Images) -> str:
    """Returns a checksum that tells whether a split still has the same images, wherever they are now.

    It covers all names without their common beginning, such as the folder, and the pixels of a few images,
    since images of another set may have the same names.
    """
    names = [images.name(place) for place in range(len(images))]
    start = len(os.path.commonprefix(names))  # noqa: RUF071  # of any characters, and of addresses too
    digest = hashlib.sha256("\n".join(name[start:] for name in names).encode("utf-8", "surrogateescape"))
    for place in np.linspace(0, len(images) - 1, LOOKED_AT).astype(int):
        with suppress(DataError):  # an image that cannot be read has no pixels
            digest.update(images.image(int(place)).tobytes())
    return digest.hexdigest()
