"""From labelled images to a feed: decoded into memory if they fit, else streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hubel.data.dataset import FileImages
from hubel.data.feed.bad import Bad, OnBad, UnusableError
from hubel.data.feed.cache import Warn, decode_once
from hubel.data.feed.decoded import read_all
from hubel.data.feed.shard_stream import StreamedShards
from hubel.data.feed.stream import Streamed
from hubel.data.formats.shards import ShardImages
from hubel.ram import free_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubel.data.dataset import Images
    from hubel.data.feed.batches import Feed
    from hubel.data.image.preprocess import Preprocessing

SHARE = 0.25
"""The share of the free memory that decoded images may fill."""


def decoded_or_streamed(
    images: Images,
    preprocessing: Preprocessing,
    progress: Callable[[int], None] | None = None,
    on_bad: OnBad = "stop",
    warn: Warn | None = None,
    *,
    memory_limit: int | None = None,
) -> Feed:
    """Returns the images decoded if they take at most `memory_limit` bytes, else a stream of them.

    The default limit is a quarter of the free memory. With `on_bad="skip"` a stream is read once in full to
    find the images to leave out; otherwise a bad image is found when its turn comes.

    Raises DataError: as `decode`.
    """
    size = len(images) * preprocessing.height * preprocessing.width * preprocessing.depth
    if size <= (int(SHARE * free_memory()) if memory_limit is None else memory_limit):
        return decode_once(images, preprocessing, progress, on_bad, warn)
    if on_bad == "stop":
        _refuse_unusable(images)
        return streamed(images, preprocessing)
    bad = read_all(images, preprocessing, progress=progress)
    if len(bad) == len(images):
        raise UnusableError(list(bad.values()), len(images))
    good = np.array([place for place in range(len(images)) if place not in bad], np.intp)
    return streamed(images.select(good), preprocessing, tuple(bad.values()))


def streamed(images: Images, preprocessing: Preprocessing, skipped: tuple[Bad, ...] = ()) -> Streamed:
    """Returns a stream of images: shard by shard if they are in remote shards, else one by one."""
    if isinstance(images, ShardImages) and images.remote:
        return StreamedShards.of(images, preprocessing, skipped)
    return Streamed.of(images, preprocessing, skipped)


def _refuse_unusable(images: Images) -> None:
    """Raises UnusableError: images known to be unusable without reading them."""
    if isinstance(images, FileImages) and images.unusable:
        known = images.unusable
        bad = [Bad(str(path), known[path]) for path in images.paths if path in known]
        if bad:
            raise UnusableError(bad, len(images))
