"""Files that are written whole or not at all, and read only if they are regular ones."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, TypeAlias

UNFINISHED = ".hubel-"
"""How the names of temporary files begin; one that a kill left behind is deleted by `clear_unfinished`."""


def exists(place: str | os.PathLike[str]) -> bool:
    """Whether there is a file or folder of that name; no text that cannot be a name has one."""
    try:
        return Path(place).exists()
    except (OSError, ValueError):  # too long, or with a null byte
        return False


def is_file(place: str | os.PathLike[str]) -> bool:
    """Whether there is a regular file of that name; no text that cannot be a name has one."""
    return exists(place) and Path(place).is_file()


Content: TypeAlias = "bytes | str | Callable[[Path], object]"
"""What is written: bytes, a text, or a function that writes the file of the name it is given."""


def write_whole(path: Path, content: Content) -> None:
    """Writes a file so that neither a reader nor a crash meets half of it.

    The content goes to a temporary file beside it, is brought to the disk, and takes the name last.
    Text is UTF-8, in which the bytes of a file name that is not Unicode stay as they are.
    """
    draft = write_draft(path, content)
    try:
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    bring_to_disk(path.parent)


def write_draft(path: Path, content: Content) -> Path:
    """Writes the content to a temporary file beside `path`, brings it to the disk and returns its name."""
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{UNFINISHED}{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            if callable(data):
                data(Path(name))
            else:
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # such as of a full disk
            error.filename = str(path)
        raise
    return Path(name)


def check_regular(path: str | Path) -> int:
    """Returns the size of a file in bytes.

    Raises OSError: a pipe, a socket or a device, which may never end; or no file at all.
    """
    found = os.stat(path)  # noqa: PTH116 - a third faster than the path's own
    if not S_ISREG(found.st_mode) and not S_ISDIR(found.st_mode):  # opening a folder has an error of its own
        raise OSError(errno.EINVAL, "not a regular file, but a pipe, a socket or a device", str(path))
    return found.st_size


def read_text(path: Path, errors: str = "strict") -> str:
    """Returns the text of a regular file, in UTF-8. Raises OSError, UnicodeDecodeError: it cannot be read."""
    check_regular(path)
    return path.read_text("utf-8", errors)


def parse_json(text: str | bytes) -> Any:
    """Returns the value of a JSON text. Raises ValueError: it is none, or nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def bring_to_disk(folder: Path) -> None:
    """Brings the names in a folder to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def clear_unfinished(folder: Path) -> None:
    """Deletes the temporary files that killed processes left in a folder and the folders in it."""
    for path in folder.rglob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)
