"""Memory: how much this machine has, how much of it is free, and whether a network fits into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from hubel.errors import NetworkError

_UNKNOWN = 4 << 30
"""The bytes assumed to be free where the system does not tell."""

_FORCED: ContextVar[bool] = ContextVar("forced", default=False)

_MEMORY = Path("/proc/meminfo")
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
_STATISTICS = Path("/sys/fs/cgroup/memory.stat")


def free_memory() -> int:
    """Returns how many more bytes this process may take, by the machine's and its container's limits."""
    free = _stated("MemAvailable")
    try:
        statistics = dict(line.split() for line in _STATISTICS.read_text().splitlines())
        cached = int(statistics["inactive_file"])  # file contents that the system drops when memory is short
        return min(free, int(_LIMIT.read_text()) - int(_USED.read_text()) + cached)
    except (OSError, KeyError, ValueError):  # no such container, or no limit: "max"
        return free


def total_memory() -> int:
    """Returns how many bytes the machine, or its container, has."""
    total = _stated("MemTotal")
    try:
        return min(total, int(_LIMIT.read_text()))
    except (OSError, ValueError):
        return total


@contextmanager
def forced(force: bool) -> Iterator[None]:
    """With `force`, every network that is built meanwhile may take all that the machine has.

    It is for tasks that build several: a starting model, those among which hubel chooses, the one it trains.
    """
    before = _FORCED.set(force or _FORCED.get())
    try:
        yield
    finally:
        _FORCED.reset(before)


def check_fits(what: str, needed: int, *, force: bool) -> None:
    """Checks that bytes fit into memory before anything is allocated: into the free memory, by default.

    With `force`, or within `forced`, they may take all that the machine has. Raises NetworkError: they do not
    fit.
    """
    total = total_memory()
    free = min(free_memory(), total)
    if needed <= (total if force or _FORCED.get() else free):
        return
    way = "force=True (--force) tries it all the same" if needed <= total else "no setting makes it fit"
    raise NetworkError(
        f"{what} needs {_size(needed)} for its parameters and the activations of one image; {_size(free)} of "
        f"{_size(total)} of memory are free. Use a smaller network or input; {way}"
    )


def _size(number: int) -> str:
    """Bytes as text: from a million GB on, without more digits than anybody reads."""
    return f"{number / 1e9:,.1f} GB" if number < 10**15 else f"{number / 1e9:.1e} GB"


def _stated(name: str) -> int:
    """Returns a number of bytes from the system's statement."""
    try:
        lines = dict(line.split(":") for line in _MEMORY.read_text().splitlines())
        return 1024 * int(lines[name].split()[0])
    except (OSError, KeyError, ValueError):  # not Linux
        return _UNKNOWN


def most_memory() -> int:
    """Returns the most memory that this process has had so far, in bytes; 0 where that is not known.

    Linux's own figure is read: that of `getrusage` counts what the parent had when it started the process.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
