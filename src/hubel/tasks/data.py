"""`data_check` and `data_fetch`: sets of images, before any network is trained on them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.data.formats.fetch import fetch
from hubel.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubel.data.check import Check


def data_check(data: str | Path, *, progress: Callable[[int], None] | None = None) -> Check:
    """Reads every image of a set and returns everything that is wrong with it.

    `progress` is called with the number of images read so far. Raises DataError: no such set. Raises
    UsageError: images in memory.
    """
    from hubel.data.check import check

    if not isinstance(data, str | os.PathLike):
        raise UsageError(
            f"data_check reads the files of a set: a folder, a file or a name is expected, not "
            f"{type(data).__name__}"
        )
    return check(str(data), progress)


def data_fetch(
    name: str, *, to: str | Path | None = None, progress: Callable[[str, int, int], None] | None = None
) -> Path:
    """Downloads a data set, checked by SHA-256, and returns its folder; a partial download is resumed.

    `to` is the folder to put the set's folder into, by default the cache. `progress` is called with a
    file's name, the bytes downloaded and its size.

    Raises UsageError: no such set. Raises DataError: it cannot be downloaded.
    """
    return fetch(name, None if to is None else Path(to), progress)
