"""The cache of decoded images: image files are decoded once and reused until one of them changes.

    ~/.cache/hubel/decoded/KEY.npy           all images of a list, at the network's size, as one array
    ~/.cache/hubel/decoded/digests.sqlite    the digest of each file, by path and by what its inode states

The key depends on the files' contents, their order and the preprocessing: a changed, added or reordered file
gives another key, a copied set does not. A file counts as unchanged while its size, its inode and both times
of its last change are the same: `cp -p`, `mv` and `touch -r` keep one of the times, but not the other. Each
array is followed by a line of JSON with its checksum and the images that were left out. Images in shards are
identified by shard and place.

What is damaged is deleted with a warning and made again. If the cache cannot be read or written, images are
decoded each time.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import PIL
import simplejpeg

from hubel.cores import allowed_cores
from hubel.data.dataset import FileImages
from hubel.data.feed.bad import Bad, OnBad
from hubel.data.feed.decoded import Decoded, decode, without_bad
from hubel.data.formats.fetch import CACHE, cache_folder
from hubel.data.formats.shards import ShardImages
from hubel.files import parse_json

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes
    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing

Warn: TypeAlias = Callable[[str], None]

MOST_BYTES = 20 * 10**9
"""The limit on the arrays' total size; beyond it the least recently used are deleted."""

_MOST_FILES = 5_000_000
_DIGEST = 16
_BLOCK = 256
_CHUNK = 1 << 24
_MOMENT_NS = 2 * 10**9
_FORMAT = f"1 {PIL.__version__} {simplejpeg.__version__}"
"""What an array depends on besides files and preprocessing: another decoder may round differently."""


def decode_once(
    images: Images,
    preprocessing: Preprocessing,
    progress: Callable[[int], None] | None = None,
    on_bad: OnBad = "stop",
    warn: Warn | None = None,
) -> Decoded:
    """Returns what `decode` returns, from the cache if these files were decoded before.

    Cached images are mapped from the file; changes to them stay in memory. Images that are not in files are
    never cached. `warn` is called once with the reason if the cache cannot be used.

    Raises DataError: as `decode`.
    """
    cache = _Cache(cache_folder() / "decoded", warn)
    if isinstance(images, FileImages):
        files = zip(images.paths, cache.digests(images.paths), strict=True)
        digests = [_of_text(images.unusable.get(path, "")) or digest for path, digest in files]
    elif isinstance(images, ShardImages):
        digests = images.digests()
    else:
        return decode(images, preprocessing, progress, on_bad)
    key = _key(digests, preprocessing)
    kept = cache.open(key, len(images), preprocessing)
    if kept is not None and (on_bad == "skip" or not kept.reasons):
        if progress is not None:
            progress(len(images))
        bad = {index: Bad(images.name(index), reason) for index, reason in kept.reasons.items()}
        return without_bad(images, kept.pixels, bad)
    decoded = decode(images, preprocessing, progress, on_bad)
    reasons = {bad.name: bad.reason for bad in decoded.skipped}
    names = (images.name(index) for index in range(len(images)))
    left_out = {index: reasons[name] for index, name in enumerate(names) if name in reasons}
    cache.keep(key, Kept(decoded.pixels, left_out))
    return decoded


class Kept(NamedTuple):
    """A cached array; `pixels`: uint8, n x h x w x c. `reasons`: why images were left out, by place."""

    pixels: Bytes
    reasons: dict[int, str]


class _Cache:
    """A folder of arrays and digests; any fault of it is a warning only, given once."""

    def __init__(self, folder: Path, warn: Warn | None) -> None:
        self.folder = folder
        self._warn = warn

    def open(self, key: str, count: int, preprocessing: Preprocessing) -> Kept | None:
        """The array of a key, of `count` images less those left out; None if it is missing or damaged."""
        path = self.folder / f"{key}.npy"
        try:
            kept = _opened(path, count, preprocessing)
        except OSError:
            return None
        except Exception:  # damaged bytes end in nearly anything: SyntaxError, TokenError, MemoryError
            self._discard(path)
            return None
        with suppress(OSError):
            os.utime(path)  # most recently used, so the last to be deleted
        return kept

    def keep(self, key: str, kept: Kept) -> None:
        """Writes an array atomically and deletes the least recently used ones beyond the limit."""
        size = kept.pixels.nbytes
        if size > MOST_BYTES:
            return
        reasons = {str(index): reason for index, reason in kept.reasons.items()}
        about = {"checksum": _checksum(kept.pixels), "reasons": reasons, "sum": _sum(reasons)}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(MOST_BYTES - size)
            with tempfile.TemporaryDirectory(prefix="part-", dir=self.folder) as place:
                part = Path(place, "part.npy")
                with part.open("wb") as file:
                    np.save(file, kept.pixels)
                    file.write(json.dumps(about).encode())
                part.replace(self.folder / f"{key}.npy")
        except OSError as error:
            self._say(error)

    def digests(self, paths: Iterable[Path]) -> list[bytes]:
        """The digest of each file's bytes; unchanged files are not read again."""
        stats = [_stat(path) for path in paths]
        known = self._remembered({each.folder for each in stats})
        unknown = [each for each in dict.fromkeys(stats) if each not in known]

        def work(start: int) -> list[bytes]:
            return [_file_digest(each) for each in unknown[start : start + _BLOCK]]

        with ThreadPoolExecutor(allowed_cores()) as pool:
            found = [d for block in pool.map(work, range(0, len(unknown), _BLOCK)) for d in block]
        fresh = dict(zip(unknown, found, strict=True))
        if fresh:
            self._remember(fresh)
        known |= fresh
        return [known[each] for each in stats]

    def _remembered(self, folders: set[bytes]) -> dict[_Stat, bytes]:
        """The last recorded digests of all files in some folders."""
        known = {}
        try:
            with closing(self._database()) as database:
                query = f"SELECT folder, name, {_INODE}, digest FROM files WHERE folder = ?"
                for folder in folders:
                    for *stat, digest in database.execute(query, (folder,)):
                        known[_Stat(*stat)] = digest
        except sqlite3.OperationalError as error:  # locked, or the disk is full
            self._say(error)
        except (OSError, sqlite3.DatabaseError):
            self._discard(self.folder / "digests.sqlite")
        return known

    def _remember(self, digests: dict[_Stat, bytes]) -> None:
        """Records digests, except of files that may still change within the same modification time."""
        sure = time.time_ns() - _MOMENT_NS
        rows = [(*stat, digest) for stat, digest in digests.items() if 0 <= stat.changed_ns < sure]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(self._database()) as database, database:
                database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                database.execute(
                    "DELETE FROM files WHERE rowid <= (SELECT max(rowid) FROM files) - ?", (_MOST_FILES,)
                )
        except (OSError, sqlite3.Error) as error:
            self._say(error)

    def _database(self) -> sqlite3.Connection:
        """Opens the database of digests, created if missing; without the folder, an empty one in memory."""
        place = self.folder / "digests.sqlite" if self.folder.is_dir() else ":memory:"
        database = sqlite3.connect(place)
        database.execute(
            "CREATE TABLE IF NOT EXISTS files (folder BLOB, name BLOB, size INTEGER, inode BLOB, "
            "mtime_ns INTEGER, ctime_ns INTEGER, digest BLOB, PRIMARY KEY (folder, name))"
        )
        return database

    def _make_room(self, most: int) -> None:
        """Deletes arrays, complete or not, least recently used first, until `most` bytes are left."""
        files = sorted((path.stat().st_mtime, path) for path in self.folder.rglob("*.npy"))
        total = sum(path.stat().st_size for _, path in files)
        for _, path in files:
            if total <= most:
                return
            total -= path.stat().st_size
            path.unlink()

    def _discard(self, path: Path) -> None:
        """Deletes a damaged file of the cache, and says so."""
        with suppress(OSError):
            path.unlink()
        if self._warn is not None:
            self._warn(f"the cache {path} was damaged; it is deleted and made again")

    def _say(self, error: OSError | sqlite3.Error) -> None:
        """Warns, the first time only, that the cache is not used."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        if self._warn is not None:
            self._warn(
                f"images cannot be cached in {self.folder} ({reason}), so they are decoded each time; "
                f"name another folder in the environment variable {CACHE}"
            )
        self._warn = None


_INODE = "size, inode, mtime_ns, ctime_ns"


class _Stat(NamedTuple):
    """What tells whether a file has changed; the size of a missing file, or of no regular one, is -1.

    No program can set `ctime_ns`, the time at which the system last changed the file or its inode. `inode` is
    a text, since some file systems number beyond what the database can hold.
    """

    folder: bytes
    name: bytes
    size: int
    inode: bytes
    mtime_ns: int
    ctime_ns: int

    @property
    def changed_ns(self) -> int:
        """When the file last changed, by either time."""
        return max(self.mtime_ns, self.ctime_ns)


def _stat(path: Path) -> _Stat:
    folder, name = os.path.split(os.fsencode(path.absolute()))
    try:
        found = os.stat(path)  # noqa: PTH116 - a third faster than the path's own
    except OSError:
        return _Stat(folder, name, -1, b"", -1, -1)
    if not S_ISREG(found.st_mode):
        return _Stat(folder, name, -1, b"", -1, -1)
    inode = f"{found.st_dev} {found.st_ino}".encode()
    return _Stat(folder, name, found.st_size, inode, found.st_mtime_ns, found.st_ctime_ns)


def _file_digest(stat: _Stat) -> bytes:
    """The digest of a file's bytes; empty if it cannot be read."""
    if stat.size < 0:
        return b""
    try:
        with Path(os.fsdecode(stat.folder), os.fsdecode(stat.name)).open("rb", buffering=0) as file:
            return blake2b(file.readall(), digest_size=_DIGEST).digest()
    except OSError:
        return b""


def _of_text(text: str) -> bytes:
    """A text's bytes; it may hold a file name that is not valid UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _key(digests: list[bytes], preprocessing: Preprocessing) -> str:
    """The name of an array, from everything that determines its bytes; mean and std do not."""
    of = preprocessing
    form = [_FORMAT, of.height, of.width, of.depth, of.fit, of.resize, of.interpolation]
    total = blake2b(json.dumps([*form, *(of.range or ())]).encode(), digest_size=_DIGEST)
    for digest in digests:
        total.update(digest.ljust(_DIGEST, b"\0"))
    return total.hexdigest()


def _opened(path: Path, count: int, preprocessing: Preprocessing) -> Kept:
    """The array in a file. Raises OSError: none is there. Raises nearly anything else: it is damaged."""
    # Mapped copy-on-write, since torch warns about read-only memory.
    images = np.load(path, mmap_mode="c", allow_pickle=False)
    with path.open("rb") as file:
        file.seek(images.offset + images.nbytes)
        about = parse_json(file.read())
    written = about["reasons"]
    reasons = {int(index): str(reason) for index, reason in written.items()}
    shape = (count - len(reasons), preprocessing.height, preprocessing.width, preprocessing.depth)
    if images.shape != shape or images.dtype != np.uint8 or not images.flags.c_contiguous:
        raise ValueError(f"images of {images.shape} for {shape}")
    if about["checksum"] != _checksum(images) or (reasons and about["sum"] != _sum(written)):
        raise ValueError("another checksum")
    return Kept(np.asarray(images), reasons)


def _sum(reasons: dict[str, str]) -> str:
    """The digest of the reasons why images were left out."""
    return blake2b(json.dumps(reasons).encode(), digest_size=_DIGEST).hexdigest()


def _checksum(images: Bytes) -> str:
    """The digest of an array: that of the digests of its parts, which are computed on all cores."""
    flat = images.reshape(-1)

    def work(start: int) -> bytes:
        return blake2b(flat[start : start + _CHUNK].data, digest_size=_DIGEST).digest()

    with ThreadPoolExecutor(allowed_cores()) as pool:
        return blake2b(b"".join(pool.map(work, range(0, flat.size, _CHUNK)))).hexdigest()
