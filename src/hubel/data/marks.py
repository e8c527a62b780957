"""Pictures known again by their pixels, whatever they are called and wherever they lie."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubel.data.pictures import Bytes

SIZE = 6
"""Bytes of a mark: in 280 million pictures one stranger is taken for one of a million."""


def marks(images: Bytes) -> list[bytes]:
    """The mark of each picture; `images`: uint8, n x h x w x c."""
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
