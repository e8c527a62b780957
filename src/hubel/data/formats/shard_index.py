"""The index of a shard: which images are in a tar file, of which classes, and where; made once and kept.

    ~/.cache/hubel/shards/KEY.json      by a shard's path, size and time of last change, or by its address

On a disk only headers and classes are read for it. On the net that means the whole shard, as a stream of the
library `webdataset`: so a shard there is taken not to change, and its index must be kept.
"""

from __future__ import annotations

import json
import re
import tarfile
import time
import urllib.error
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from hubel.data.formats.fetch import CACHE, cache_folder
from hubel.data.image.reading import IMAGE_SUFFIXES
from hubel.errors import DataError
from hubel.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASSES = ("cls", "json", "txt")
"""The endings of what says a sample's class; the first of them that does counts."""

KEYS = ("label", "class")
"""What the class may be called in a .json."""

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_NAME = re.compile(r"(?!__[^/]*__(?:/|$))(?P<sample>(?:.*/)?[^./]+)\.(?P<ending>[^/]+)")
_END = bytes(tarfile.BLOCKSIZE)
_MOMENT_NS = 2 * 10**9
_FORMAT = 1
_CURL = {6: "no such host", 7: "no answer", 18: "it broke off", 22: "no such file, or not for everybody"}
"""What the exit codes of curl mean, through which the library reads."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A tar file of images: `where` it is, by path or address; a new `stamp` tells that it has changed.

    Of each image: its name in the tar, its class as it is written, where its bytes begin, and how many.
    """

    where: str
    stamp: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)


def is_remote(where: str) -> bool:
    """Whether this is an address on the net rather than a path."""
    return _ADDRESS.match(where) is not None


def parted(name: str) -> tuple[str, str] | None:
    """Parts a name in a tar as the library does: `7.seg.PNG` into its sample, `7`, and its ending, `seg.png`.

    Hidden files, files without an ending and what lies in `__...__` are of no sample: None.
    """
    match = _NAME.fullmatch(name)
    return match and (match["sample"], match["ending"].lower())


def library(where: str) -> Any:
    """The library. Raises DataError: it is missing."""
    try:
        import webdataset
    except ImportError:
        raise DataError(
            f"{where}: read through the library webdataset, which is missing; "
            'run `pip install "hubel[webdataset]"`'
        ) from None
    return webdataset


def indexed(where: str) -> Shard:
    """Returns the index of a shard, which is made if none is kept or the shard has changed since.

    Raises DataError: a shard that is missing, no plain tar file or not whole; a sample without an image or a
    class, or with several; of one on the net, the library is missing, or its index cannot be kept.
    """
    stamp, changed_ns = f"{_FORMAT} {_whole(where)}", 0
    if not is_remote(where):
        try:
            known = Path(where).stat()
        except OSError as error:
            raise DataError(f"{where}: cannot be read: {error.strerror}; mend that") from error
        stamp, changed_ns = f"{stamp} {known.st_size} {known.st_mtime_ns}", known.st_mtime_ns
    path = kept_in(where)
    shard = _kept(path, where, stamp)
    if shard is None:
        shard = _made(where, stamp)
        if changed_ns < time.time_ns() - _MOMENT_NS:  # else it may change again within the clock's grain
            _keep(path, shard)
    return shard


def kept_in(where: str) -> Path:
    """The file in which the index of a shard is kept."""
    name = blake2b(_whole(where).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return cache_folder() / "shards" / f"{name}.json"


def _whole(where: str) -> str:
    return where if is_remote(where) else str(Path(where).absolute())


def _kept(path: Path, where: str, stamp: str) -> Shard | None:
    """The index that is kept, None if there is none of this stamp, or a damaged one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        columns = [tuple(found[name]) for name in ("names", "classes", "offsets", "sizes")]
        whole = found["stamp"] == stamp and len(set(map(len, columns))) == 1
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Shard(where, stamp, *columns) if whole else None


def _keep(path: Path, shard: Shard) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(shard)))
    except OSError as error:
        if is_remote(shard.where):
            raise DataError(
                f"{shard.where}: its index, which all of it was read for, cannot be kept in {path.parent} "
                f"({error.strerror}); name another folder in the environment variable {CACHE}"
            ) from error


class _Part(NamedTuple):
    """A file of a sample: its name in the tar, where its bytes begin, how many; them, if of a class."""

    name: str
    offset: int
    size: int
    data: bytes


def _made(where: str, stamp: str) -> Shard:
    """Reads a shard from its beginning to its end. Raises DataError: as `indexed`."""
    with _opened(where) as file:
        rows = [_row(where, sample, parts) for sample, parts in _samples(where, _Forwards(file))]
    if not rows:
        raise DataError(f"{where}: holds no images; remove it or make it again")
    images, classes = zip(*rows, strict=True)
    names, offsets, sizes, _ = zip(*images, strict=True)
    return Shard(where, stamp, names, classes, offsets, sizes)


@contextmanager
def _opened(where: str) -> Iterator[Any]:
    """Opens a shard for reading; whatever goes wrong with it in the block becomes a DataError."""
    try:
        with library(where).gopen(where) if is_remote(where) else Path(where).open("rb") as file:
            yield file
    except tarfile.TarError as error:
        raise DataError(
            f"{where}: is no whole tar file ({trouble(error)}); copy or make it again, uncompressed"
        ) from error
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({trouble(error)}); mend that") from error


def trouble(error: Exception) -> str:
    """What went wrong, in a few words; the library names commands and their exit codes."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    code = re.search(r"exit (-?\d+) \(read\)", str(error))
    if code is not None:
        return _CURL.get(int(code[1]), f"curl's exit code {code[1]}")
    if isinstance(error, tarfile.TarError):
        return str(error.args[0])  # to which the library adds what it read
    return getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__


class _Forwards:
    """A file as `tarfile` reads it, forwards alone, as the net gives it; `last` is what it has read last."""

    def __init__(self, file: Any) -> None:
        self.last = b""
        self._file, self._at = file, 0
        self._seeks = hasattr(file, "seek")

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> None:
        if self._seeks:
            self._file.seek(to)
            self._at = to
        while self._at < to and self.read(min(to - self._at, 1 << 20)):
            pass

    def read(self, size: int) -> bytes:
        self.last = self._file.read(size)
        self._at += len(self.last)
        return self.last


def _samples(where: str, file: _Forwards) -> Iterator[tuple[str, dict[str, _Part]]]:
    """Yields the samples in a tar: their names, and their files, which follow one another, by their endings.

    Raises TarError: as `_parts`. Raises DataError: two samples of one name, or two such files.
    """
    seen = set()
    for sample, members in groupby(_parts(file), key=itemgetter(0)):
        parts: dict[str, _Part] = {}
        for _, ending, part in members:
            if ending in parts:
                raise DataError(f"{where}: {part.name} comes twice; leave one")
            parts[ending] = part
        if sample in seen:
            raise DataError(
                f"{where}: sample {sample!r} comes twice; give each a name of its own, and let all its files "
                "follow one another (tar --sort=name)"
            )
        seen.add(sample)
        yield sample, parts


def _parts(file: _Forwards) -> Iterator[tuple[str, str, _Part]]:
    """Yields the files in a tar with their samples and endings; those of no sample are passed over.

    Raises TarError: it is damaged or broken off, which `tarfile` takes for its end if a header is missing.
    """
    with tarfile.open(fileobj=cast("Any", file), mode="r:") as tar:
        for member in tar:
            found = parted(member.name)
            if found is not None and member.isfile() and not member.issparse():
                sample, ending = found
                inside = tar.extractfile(member) if ending in CLASSES else None
                data = b"" if inside is None else inside.read()
                yield sample, ending, _Part(member.name, member.offset_data, member.size, data)
    if file.last != _END:
        raise tarfile.ReadError("it lacks the mark of a tar's end, so it broke off or is damaged")
    while file.read(1 << 16):
        if file.last.strip(b"\0"):
            raise tarfile.ReadError("more follows after its end")


def _row(where: str, sample: str, parts: dict[str, _Part]) -> tuple[_Part, str]:
    """The image of a sample and its class. Raises DataError: it has none, or several."""
    images = [part for ending, part in parts.items() if f".{ending}" in IMAGE_SUFFIXES]
    if not images:
        there = " and ".join(part.name for part in parts.values())
        raise DataError(
            f"{where}: sample {sample!r} has no image, only {there}; its files follow one another and are "
            "called by its name, which ends at the first dot, and an ending"
        )
    if len(images) > 1:
        there = " and ".join(part.name for part in images)
        raise DataError(f"{where}: sample {sample!r} has several images, {there}; leave one")
    return images[0], _class(where, sample, parts)


def _class(where: str, sample: str, parts: dict[str, _Part]) -> str:
    """A sample's class as it is written, a number without zeros before it."""
    for ending in CLASSES:
        if ending not in parts:
            continue
        name = f"{where}/{parts[ending].name}"
        try:
            said: object = parts[ending].data.decode().strip()
            if ending == "json":
                said = _of_json(json.loads(parts[ending].data))
        except ValueError as error:
            raise DataError(f"{name}: cannot be read ({error}); make it anew, in UTF-8") from error
        if said is None:
            continue
        if isinstance(said, bool) or not isinstance(said, str | int) or "\n" in str(said) or said == "":
            raise DataError(f"{name}: says {str(said)[:40]!r}; a class is a whole number or a line of text")
        said = str(said)
        return str(int(said)) if said.isascii() and said.isdecimal() else said
    raise DataError(
        f"{where}: sample {sample!r} has no class; let {sample}.cls or .txt say it, or {' or '.join(KEYS)} "
        f"in {sample}.json; an archive of class folders is no shard: unpack it and give its folder"
    )


def _of_json(found: object) -> object:
    """What a sample's .json says of its class, None for nothing."""
    said = found if isinstance(found, dict) else {}
    return next((said[key] for key in KEYS if said.get(key) is not None), None)
