"""A file system that fails at the n-th operation that changes it: by an error, or as in a kill."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Literal
from unittest import mock

Kind = Literal["error", "kill"]
"""A full disk at one operation; or death, after which nothing changes on the disk any more."""


class Killed(BaseException):
    """What a killed process would not have lived to see."""


class Faults:
    """Counts the operations of this process that change the disk, and fails the one at `at`."""

    def __init__(self, kind: Kind, at: int) -> None:
        self.kind, self.at, self.count, self.dead = kind, at, 0, False

    def __call__(self) -> None:
        """One operation. Raises OSError or Killed: it fails."""
        if self.dead:
            raise Killed
        self.count += 1
        if self.count == self.at:
            if self.kind == "error":
                raise OSError(errno.ENOSPC, "No space left on device")
            self.dead = True
            raise Killed


class Writing:
    """A file whose writes count; one that fails has written half."""

    def __init__(self, file: IO[bytes], faults: Faults) -> None:
        self._file, self._faults = file, faults

    def write(self, data: bytes) -> int:
        """Writes, or half of it and fails."""
        try:
            self._faults()
        except BaseException:
            self._file.write(data[: len(data) // 2])
            raise
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Writing:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@contextmanager
def failing(kind: Kind, at: int) -> Iterator[Faults]:
    """Lets the operation number `at` fail: writes, renames, fsyncs, deletions, new files and folders."""
    faults = Faults(kind, at)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*given: Any, **named: Any) -> Any:
            faults()
            return real(*given, **named)

        return operation

    def opened(handle: int, *given: Any, **named: Any) -> Any:
        file = fdopen(handle, *given, **named)
        return Writing(file, faults)

    fdopen = os.fdopen
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(os, "fdopen", opened))
        for name in ("replace", "rename", "fsync", "unlink", "rmdir", "mkdir"):
            patches.enter_context(mock.patch.object(os, name, counted(getattr(os, name))))
        yield faults
