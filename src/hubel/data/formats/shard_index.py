"""The index of a shard: the images in a tar file, their classes and their places; made once and cached.

    ~/.cache/hubel/shards/KEY.json      by a shard's path and what its inode states, or by its address

Of a local shard only headers and classes are read. A remote shard has to be read whole, as a stream of the
library `webdataset`; it is therefore assumed never to change, and its index must be cached.
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
from hubel.files import check_regular, parse_json, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASSES = ("cls", "json", "txt")
"""The endings of files that give a sample's class; the first one present counts."""

KEYS = ("label", "class")
"""The accepted keys of the class in a .json."""

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_NAME = re.compile(r"(?!__[^/]*__(?:/|$))(?P<sample>(?:.*/)?[^./]+)\.(?P<ending>[^/]+)")
_END = bytes(tarfile.BLOCKSIZE)
_AT_ONCE = 1 << 26
_BEYOND = 8
_MOMENT_NS = 2 * 10**9
_FORMAT = 1
_CURL = {6: "no such host", 7: "no answer", 18: "the transfer broke off", 22: "no such file, or no access"}
"""The meanings of the exit codes of curl, which the library reads with."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A tar file of images: its path or address `where`, and a `stamp` that changes with its contents.

    For each image: its name in the tar, its class as written, and the offset and number of its bytes.
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
    """Whether this is a web address rather than a path."""
    return _ADDRESS.match(where) is not None


def parted(name: str) -> tuple[str, str] | None:
    """Splits a name in a tar as the library does: `7.seg.PNG` into the sample `7` and the ending `seg.png`.

    None of a hidden file, a file without an ending, or one in a folder `__...__`: these belong to no sample.
    """
    match = _NAME.fullmatch(name)
    return match and (match["sample"], match["ending"].lower())


def library(where: str) -> Any:
    """Returns the library webdataset. Raises DataError: it is not installed."""
    try:
        import webdataset
    except ImportError:
        raise DataError(
            f"{where}: this needs the library webdataset, which is not installed; "
            'run `pip install "hubel[webdataset]"`'
        ) from None
    return webdataset


def indexed(where: str) -> Shard:
    """Returns the index of a shard, from the cache unless the shard has changed.

    Raises DataError: the shard is missing, no uncompressed tar file, or incomplete; a sample has no image or
    no class, or several; for a remote shard, the library is not installed or its index cannot be cached.
    """
    stamp, changed_ns = f"{_FORMAT} {_whole(where)}", 0
    if not is_remote(where):
        try:
            known = Path(where).stat()
        except OSError as error:
            raise DataError(f"{where}: cannot be read: {error.strerror}; correct that") from error
        times = known.st_mtime_ns, known.st_ctime_ns  # no program can set the second
        stamp = f"{stamp} {known.st_size} {known.st_dev}:{known.st_ino} {times[0]} {times[1]}"
        changed_ns = max(times)
    path = kept_in(where)
    shard = _kept(path, where, stamp)
    if shard is None:
        shard = _made(where, stamp)
        if changed_ns < time.time_ns() - _MOMENT_NS:  # else it may change again within the same time stamp
            _keep(path, shard)
    return shard


def kept_in(where: str) -> Path:
    """Returns the file that caches the index of a shard."""
    name = blake2b(_whole(where).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return cache_folder() / "shards" / f"{name}.json"


def _whole(where: str) -> str:
    return where if is_remote(where) else str(Path(where).absolute())


def _kept(path: Path, where: str, stamp: str) -> Shard | None:
    """The cached index with this stamp; None if there is none or it is damaged."""
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        columns = [tuple(found[name]) for name in ("names", "classes", "offsets", "sizes")]
        whole = found["stamp"] == stamp and len(set(map(len, columns))) == 1
        shard = Shard(where, stamp, *columns)
        known = found.get("checksum", "" if is_remote(where) else None)  # older ones of remote shards lack it
        return shard if whole and known in ("", _checksum(shard)) else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _checksum(shard: Shard) -> str:
    """The digest of an index, so that no damage to it goes unnoticed."""
    return blake2b(json.dumps(asdict(shard)).encode(), digest_size=16).hexdigest()


def _keep(path: Path, shard: Shard) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({**asdict(shard), "checksum": _checksum(shard)}))
    except OSError as error:
        if is_remote(shard.where):
            raise DataError(
                f"{shard.where}: its index, for which all of it was read, cannot be cached in {path.parent} "
                f"({error.strerror}); name another folder in the environment variable {CACHE}"
            ) from error


class _Part(NamedTuple):
    """A file of a sample: name in the tar, offset and number of its bytes; the bytes of a class file."""

    name: str
    offset: int
    size: int
    data: bytes


def _made(where: str, stamp: str) -> Shard:
    """Reads a shard from beginning to end. Raises DataError: as `indexed`."""
    with _opened(where) as file:
        rows = [_row(where, sample, parts) for sample, parts in _samples(where, _Forwards(file))]
    if not rows:
        raise DataError(f"{where}: holds no images; remove it or create it again")
    images, classes = zip(*rows, strict=True)
    names, offsets, sizes, _ = zip(*images, strict=True)
    return Shard(where, stamp, names, classes, offsets, sizes)


@contextmanager
def _opened(where: str) -> Iterator[Any]:
    """Opens a shard for reading; any error within the block becomes a DataError."""
    try:
        if not is_remote(where):
            check_regular(where)
        with library(where).gopen(where) if is_remote(where) else Path(where).open("rb") as file:
            yield file
    except (tarfile.TarError, ValueError, OverflowError, LookupError, RecursionError) as error:
        # damaged headers end in more than the first
        raise DataError(
            f"{where}: is not a complete tar file ({trouble(error)}); copy or create it again, uncompressed"
        ) from error
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({trouble(error)}); correct that") from error


def trouble(error: Exception) -> str:
    """Returns what went wrong in a few words; the library's errors name commands and exit codes."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    code = re.search(r"exit (-?\d+) \(read\)", str(error))
    if code is not None:
        return _CURL.get(int(code[1]), f"curl's exit code {code[1]}")
    if isinstance(error, tarfile.TarError):
        return str(error.args[0])  # the library adds the bytes it read
    return getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__


class _Forwards:
    """A file that `tarfile` can read only forwards, as a download is; `last` is its last read.

    False sizes in headers would make `tarfile` go round in circles, wait for an end that is past, or read
    the whole file at once. Raises ReadError: it does any of these.
    """

    def __init__(self, file: Any) -> None:
        self.last = b""
        self._file, self._at, self._empty = file, 0, 0
        self._seeks = hasattr(file, "seek")

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> None:
        if to < self._at - 1:
            raise tarfile.ReadError("a header leads backwards")
        if self._seeks:
            self._file.seek(to)
            self._at = to
        while self._at < to and self.read(min(to - self._at, 1 << 20)):
            pass

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _AT_ONCE:
            raise tarfile.ReadError(f"a header asks for {size:,} bytes at once")
        self.last = self._file.read(size)
        self._at += len(self.last)
        self._empty += not self.last
        if self._empty > _BEYOND:
            raise tarfile.ReadError("a header leads beyond its end")
        return self.last


def _samples(where: str, file: _Forwards) -> Iterator[tuple[str, dict[str, _Part]]]:
    """Yields each sample in a tar: its name, and its consecutive files by their endings.

    Raises TarError: as `_parts`. Raises DataError: two samples or two files have one name.
    """
    seen = set()
    for sample, members in groupby(_parts(file), key=itemgetter(0)):
        parts: dict[str, _Part] = {}
        for _, ending, part in members:
            if ending in parts:
                raise DataError(f"{where}: {part.name} occurs twice; keep one")
            parts[ending] = part
        if sample in seen:
            raise DataError(
                f"{where}: sample {sample!r} occurs twice; give each sample its own name, and store its "
                "files one after another (tar --sort=name)"
            )
        seen.add(sample)
        yield sample, parts


def _parts(file: _Forwards) -> Iterator[tuple[str, str, _Part]]:
    """Yields the files in a tar with their samples and endings; files of no sample are ignored.

    Raises TarError: it is damaged or truncated, which `tarfile` alone takes for its end at a missing header.
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
        raise tarfile.ReadError("it has no end-of-archive mark, so it is truncated or damaged")
    while file.read(1 << 16):
        if file.last.strip(b"\0"):
            raise tarfile.ReadError("data follow after its end")


def _row(where: str, sample: str, parts: dict[str, _Part]) -> tuple[_Part, str]:
    """The image and the class of a sample. Raises DataError: it has none, or several."""
    images = [part for ending, part in parts.items() if f".{ending}" in IMAGE_SUFFIXES]
    if not images:
        names = " and ".join(part.name for part in parts.values())
        raise DataError(
            f"{where}: sample {sample!r} has no image, only {names}; its files must follow one another, "
            "named by the sample's name, which ends at the first dot, and an ending"
        )
    if len(images) > 1:
        names = " and ".join(part.name for part in images)
        raise DataError(f"{where}: sample {sample!r} has several images, {names}; keep one")
    return images[0], _class(where, sample, parts)


def _class(where: str, sample: str, parts: dict[str, _Part]) -> str:
    """A sample's class as written; a number without leading zeros."""
    for ending in CLASSES:
        if ending not in parts:
            continue
        name = f"{where}/{parts[ending].name}"
        try:
            label: object = parts[ending].data.decode().strip()
            if ending == "json":
                label = _of_json(parse_json(parts[ending].data))
        except ValueError as error:
            raise DataError(f"{name}: cannot be read ({error}); create it again, in UTF-8") from error
        if label is None:
            continue
        if isinstance(label, bool) or not isinstance(label, str | int) or "\n" in str(label) or label == "":
            raise DataError(f"{name}: has {str(label)[:40]!r}; a class is a whole number or a line of text")
        label = str(label)
        return str(int(label)) if label.isascii() and label.isdecimal() else label
    raise DataError(
        f"{where}: sample {sample!r} has no class; put it into {sample}.cls or .txt, or as "
        f"{' or '.join(KEYS)} into {sample}.json; an archive of class folders is not a shard: unpack it and "
        "give its folder"
    )


def _of_json(found: object) -> object:
    """The class in a sample's .json; None if it has none."""
    content = found if isinstance(found, dict) else {}
    return next((content[key] for key in KEYS if content.get(key) is not None), None)
