"""The cache of decoded images: image files are decoded once and reused until one of them changes.

    ~/.cache/hubel/decoded/KEY.npy           all images of a list, at the network's size, as one array
    ~/.cache/hubel/decoded/digests.sqlite    the digest of each file, by path, size and modification time

The key depends on the files' contents, their order and the preprocessing: a changed, added or reordered file
gives another key, a copied set does not. Each array is followed by a line of JSON with its checksum and the
images that were left out. Images in shards are identified by shard and place.

If the cache cannot be read or written, images are decoded each time.
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
    kept = cache.open(key)
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

    def open(self, key: str) -> Kept | None:
        """The array of a key; None if it is missing or damaged."""
        path = self.folder / f"{key}.npy"
        try:
            # Mapped copy-on-write, since torch warns about read-only memory.
            images = np.load(path, mmap_mode="c", allow_pickle=False)
            with path.open("rb") as file:
                file.seek(images.offset + images.nbytes)
                about = json.loads(file.read())
            if about["checksum"] != _checksum(images):
                return None
            reasons = {int(index): str(reason) for index, reason in about["reasons"].items()}
        except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError):
            return None
        with suppress(OSError):
            os.utime(path)  # most recently used, so the last to be deleted
        return Kept(np.asarray(images), reasons)

    def keep(self, key: str, kept: Kept) -> None:
        """Writes an array atomically and deletes the least recently used ones beyond the limit."""
        size = kept.pixels.nbytes
        if size > MOST_BYTES:
            return
        about = {"checksum": _checksum(kept.pixels), "reasons": kept.reasons}
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
                query = "SELECT folder, name, size, mtime_ns, digest FROM digests WHERE folder = ?"
                for folder in folders:
                    for *stat, digest in database.execute(query, (folder,)):
                        known[_Stat(*stat)] = digest
        except sqlite3.OperationalError as error:  # locked, or the disk is full
            self._say(error)
        except (OSError, sqlite3.DatabaseError):  # damaged: start anew
            with suppress(OSError):
                (self.folder / "digests.sqlite").unlink()
        return known

    def _remember(self, digests: dict[_Stat, bytes]) -> None:
        """Records digests, except of files that may still change within the same modification time."""
        sure = time.time_ns() - _MOMENT_NS
        rows = [(*stat, digest) for stat, digest in digests.items() if 0 <= stat.mtime_ns < sure]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(self._database()) as database, database:
                database.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?)", rows)
                database.execute(
                    "DELETE FROM digests WHERE rowid <= (SELECT max(rowid) FROM digests) - ?", (_MOST_FILES,)
                )
        except (OSError, sqlite3.Error) as error:
            self._say(error)

    def _database(self) -> sqlite3.Connection:
        """Opens the database of digests, created if missing; without the folder, an empty one in memory."""
        place = self.folder / "digests.sqlite" if self.folder.is_dir() else ":memory:"
        database = sqlite3.connect(place)
        database.execute(
            "CREATE TABLE IF NOT EXISTS digests (folder BLOB, name BLOB, size INTEGER, mtime_ns INTEGER, "
            "digest BLOB, PRIMARY KEY (folder, name))"
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

    def _say(self, error: OSError | sqlite3.Error) -> None:
        """Warns, the first time only, that the cache is not used."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        if self._warn is not None:
            self._warn(
                f"images cannot be cached in {self.folder} ({reason}), so they are decoded each time; "
                f"name another folder in the environment variable {CACHE}"
            )
        self._warn = None


class _Stat(NamedTuple):
    """What tells whether a file has changed; the size of a missing file is -1."""

    folder: bytes
    name: bytes
    size: int
    mtime_ns: int


def _stat(path: Path) -> _Stat:
    folder, name = os.path.split(os.fsencode(path.absolute()))
    try:
        found = os.stat(path)  # noqa: PTH116 - a third faster than the path's own
    except OSError:
        return _Stat(folder, name, -1, -1)
    return _Stat(folder, name, found.st_size, found.st_mtime_ns)


def _file_digest(stat: _Stat) -> bytes:
    """The digest of a file's bytes; empty if it cannot be read."""
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
    form = (_FORMAT, of.height, of.width, of.depth, of.fit, of.resize, of.interpolation)
    total = blake2b(json.dumps(form).encode(), digest_size=_DIGEST)
    for digest in digests:
        total.update(digest.ljust(_DIGEST, b"\0"))
    return total.hexdigest()


def _checksum(images: Bytes) -> str:
    """The digest of an array: that of the digests of its parts, which are computed on all cores."""
    flat = images.reshape(-1)

    def work(start: int) -> bytes:
        return blake2b(flat[start : start + _CHUNK].data, digest_size=_DIGEST).digest()

    with ThreadPoolExecutor(allowed_cores()) as pool:
        return blake2b(b"".join(pool.map(work, range(0, flat.size, _CHUNK)))).hexdigest()
