"""Images known again by their pixels, whatever they are called and wherever they lie."""

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
"""Bytes of a mark: in 280 million images one stranger is taken for one of a million."""


def marks(images: Bytes) -> list[bytes]:
    """The mark of each image; `images`: uint8, n x h x w x c."""
    return [hashlib.blake2b(image.tobytes(), digest_size=SIZE).digest() for image in images]


def written(found: Iterable[bytes]) -> str:
    """Marks as a text, each once."""
    return base64.b64encode(b"".join(sorted(set(found)))).decode("ascii")


def read(text: str) -> frozenset[bytes]:
    """The marks of a text that `written` made. Raises ValueError: another."""
    whole = base64.b64decode(text, validate=True)
    if len(whole) % SIZE:
        raise ValueError(f"{len(whole)} bytes are no marks of {SIZE}")
    return frozenset(whole[at : at + SIZE] for at in range(0, len(whole), SIZE))


LOOKED_AT = 8
"""How many images a set's fingerprint looks into, evenly spread."""


def fingerprint(images: Images) -> str:
    """A checksum of images: what tells whether a split still has the same ones, wherever they are now.

    It is of all names, without what all of them begin with, such as the folder they are in, and of the
    pixels of a few images: those of another set may be called the same.
    """
    names = [images.name(place) for place in range(len(images))]
    start = len(os.path.commonprefix(names))  # noqa: RUF071  # of any characters, and of addresses too
    digest = hashlib.sha256("\n".join(name[start:] for name in names).encode("utf-8", "surrogateescape"))
    for place in np.linspace(0, len(images) - 1, LOOKED_AT).astype(int):
        with suppress(DataError):  # an image that cannot be read has no pixels
            digest.update(images.image(int(place)).tobytes())
    return digest.hexdigest()
