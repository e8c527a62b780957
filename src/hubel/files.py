"""Writing files atomically."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file atomically: neither a reader nor a crash ever leaves half of it.

    The content goes to a temporary file in the same folder, is flushed to disk, and is renamed last. Text is
    encoded as UTF-8; undecodable bytes of file names (surrogates) are written back as they were.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # for example when the disk is full
            error.filename = str(path)
        raise
