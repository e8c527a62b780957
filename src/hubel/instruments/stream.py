"""The images of a set as a network sees them, decoded block by block to keep memory bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hubel.data.feed.decoded import decode

if TYPE_CHECKING:
    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing

BATCH = 64
"""How many images run through a network at once."""

_BLOCK_BYTES = 32 * 1024**2
"""How much of a data set is decoded at once."""


def stream(
    images: Images,
    preprocessing: Preprocessing,
    *,
    batch: int = BATCH,
    first: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Tensor]:
    """Yields images in their order as the network sees them, float32, n x c x h x w, `channels_last`.

    They are decoded a block at a time, so that memory does not grow with their number. The first is the
    one at `first`; `progress` is called with the number of images done.

    Raises DataError: an image that cannot be used, by name.
    """
    size = preprocessing.height * preprocessing.width * preprocessing.depth
    block = max(1, _BLOCK_BYTES // (size * batch)) * batch
    for start in range(first, len(images), block):
        chosen = np.arange(start, min(start + block, len(images)), dtype=np.intp)
        pixels = torch.from_numpy(decode(images.select(chosen), preprocessing).pixels)
        for at in range(0, len(pixels), batch):
            part = pixels[at : at + batch]
            yield preprocessing.normalise(part)
            if progress is not None:
                progress(start + at + len(part))
