"""From the bytes of a request to pixels, within limits: an image is refused before it is decoded."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubel.data.image.objects import as_seen
from hubel.data.image.reading import Encoded, opened
from hubel.errors import DataError
from hubel.service.refusals import RefusedError

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.image.preprocess import Preprocessing
    from hubel.model.inputs import Input

SCANS = 64
"""The most scans of a JPEG file; a progressive one has about ten, and each is a pass over all pixels."""

_JPEG, _SCAN = b"\xff\xd8\xff", b"\xff\xda"


@dataclass(frozen=True, slots=True)
class Unusable:
    """An image that cannot be used: its name, the status that it has alone, and what is wrong with it."""

    name: str
    status: int
    message: str


def seen(image: Input, name: str, preprocessing: Preprocessing, max_pixels: int) -> Bytes | Unusable:
    """Returns an image as the network sees it, by the one path of `hubel predict`; or what is wrong with it.

    The size that a file declares is looked at before it is decoded.
    """
    try:
        check_size(image, max_pixels)
        return as_seen(image, preprocessing)
    except RefusedError as refused:
        return Unusable(name, refused.status, refused.message)
    except DataError as error:
        return Unusable(name, 422, str(error).removeprefix(f"{Path(name)}: "))
    except MemoryError:
        return Unusable(name, 413, "the image needs more memory than there is; shrink it")


def check_size(image: Input, max_pixels: int) -> None:
    """Raises RefusedError: the image says that it is larger than allowed."""
    size = (0, 0)
    if isinstance(image, np.ndarray):
        size = image.shape[1], image.shape[0]
    elif isinstance(image, Encoded):
        if image.data.startswith(_JPEG) and image.data.count(_SCAN) > SCANS:
            raise RefusedError(413, f"has more than {SCANS} scans; re-export it as a plain JPEG")
        with suppress(Exception), opened(image) as header:  # of any kind; reading it gives the error
            size = header.size
    if size[0] * size[1] > max_pixels:
        most = f"at most {max_pixels / 1e6:g} million are taken"
        raise RefusedError(413, f"has {size[0]} x {size[1]} pixels; {most}: shrink it")
