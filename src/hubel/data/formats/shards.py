"""WebDataset shards: sets in tar files, whose images are read in place, locally or remotely.

Opening a set indexes its shards (`shard_index`). After that an image is a part of a file, read when needed,
in any order; of a remote file the server is asked for that part. Local shards are thus as good as folders.
The library `webdataset` is needed only to expand `{000..099}` and to read remote shards as a stream: to index
them, and to train on more than fits into memory (`shard_stream`).
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubel.cores import allowed_cores
from hubel.data.dataset import SPLITS, DataSet, class_order
from hubel.data.formats.folder import visible
from hubel.data.formats.shard_index import Shard, indexed, is_remote, library, trouble
from hubel.data.image.reading import Encoded, read_image, read_size
from hubel.errors import DataError, nearest
from hubel.files import check_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from PIL import Image

    from hubel.data.arrays import Bytes, Indices, Labels
    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing

CLASSES = "classes.txt"
"""The file beside shards that lists the classes, one per line, class 0 first."""

_SPLIT = re.compile(rf"(?:^|[-_./])({'|'.join(SPLITS)})(?=[-_./\d]|$)", re.IGNORECASE)
_GAP = 1 << 16
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, eq=False)
class ShardImages:
    """Images in shards: image i is number `members[i]` of `shards[which[i]]`; its name is path/name.

    `ahead`: by place, the bytes of images that were read ahead.
    """

    labels: Labels
    shards: tuple[Shard, ...]
    which: Indices
    members: Indices
    ahead: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, shards: Sequence[Shard], numbers: Mapping[str, int]) -> ShardImages:
        """Returns all images of some shards; `numbers`: each class by its text in the shards."""
        which = np.repeat(np.arange(len(shards)), [len(shard) for shard in shards])
        members = np.concatenate([np.arange(len(shard)) for shard in shards])
        labels = np.array([numbers[text] for shard in shards for text in shard.classes], np.int64)
        return cls(labels, tuple(shards), which, members)

    def __len__(self) -> int:
        return len(self.members)

    @property
    def remote(self) -> bool:
        """Whether the shards are remote, where reading images one by one is slow."""
        return is_remote(self.shards[0].where)

    @cached_property
    def groups(self) -> Labels | None:
        """The shard of each image, if shards must stay in one split: remote ones; None of local ones."""
        return self.which.astype(np.int64) if self.remote else None

    def name(self, index: int) -> str:
        """The shard's path or address, and the image's name in it."""
        shard = self.shards[self.which[index]]
        return f"{shard.where}/{shard.names[self.members[index]]}"

    def file(self, index: int) -> Encoded:
        """The image's file. Raises DataError: that part of the shard cannot be read."""
        data = self.ahead.get(index)
        return Encoded(self.name(index), self.read_ahead([index]).ahead[index] if data is None else data)

    def image(self, index: int) -> Image.Image:
        """The whole image. Raises DataError: it cannot be read."""
        return read_image(self.file(index))

    def fitted(self, index: int, preprocessing: Preprocessing) -> Bytes:
        """The preprocessed image. Raises DataError: as `Preprocessing.read`."""
        return preprocessing.read(self.file(index))

    def size(self, index: int) -> tuple[int, int]:
        """Height and width in pixels, upright. Raises DataError: it cannot be read."""
        return read_size(self.file(index))

    def select(self, indices: Indices) -> ShardImages:
        """The images at `indices`, in that order; nothing is read."""
        return ShardImages(self.labels[indices], self.shards, self.which[indices], self.members[indices])

    def read_ahead(self, places: Iterable[int]) -> ShardImages:
        """Returns the same images with those at `places` in memory; neighbours in a shard are read at once.

        Raises DataError: a shard cannot be read, or not in parts, or has changed since it was indexed.
        """
        ahead = {}
        for shard, run in self._runs(places):
            members = [int(self.members[place]) for place in run]
            start = shard.offsets[members[0]]
            data = _part(shard.where, start, shard.offsets[members[-1]] + shard.sizes[members[-1]] - start)
            for place, member in zip(run, members, strict=True):
                at = shard.offsets[member] - start
                ahead[place] = data[at : at + shard.sizes[member]]
        return replace(self, ahead=ahead)

    def digests(self) -> list[bytes]:
        """Returns a digest per image that identifies it without reading it."""
        digests = []
        for number, member in zip(self.which.tolist(), self.members.tolist(), strict=True):
            shard = self.shards[number]
            text = f"{shard.stamp} {shard.offsets[member]} {shard.sizes[member]}"
            digests.append(blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest())
        return digests

    def _runs(self, places: Iterable[int]) -> Iterator[tuple[Shard, list[int]]]:
        """Yields runs of places, cut where another shard begins or a gap is not worth reading."""
        run: list[int] = []
        for place in places:
            if run and not self._follows(run[-1], place):
                yield self.shards[self.which[run[0]]], run
                run = []
            run.append(place)
        if run:
            yield self.shards[self.which[run[0]]], run

    def _follows(self, one: int, other: int) -> bool:
        """Whether an image directly follows another one in a shard."""
        if self.which[one] != self.which[other]:
            return False
        shard, before, after = self.shards[self.which[one]], self.members[one], self.members[other]
        return shard.offsets[after] - shard.offsets[before] - shard.sizes[before] in range(_GAP)


def read_ahead(images: Images, places: Iterable[int]) -> Images:
    """Returns the same images, those at `places` read ahead if reading them one by one would be slow.

    Raises DataError: as `ShardImages.read_ahead`.
    """
    if isinstance(images, ShardImages) and images.remote:
        return images.read_ahead(places)
    return images


def is_shards(folder: Path) -> bool:
    """Whether a folder holds shards, and no folders except those of splits."""
    return bool(_in_folder(folder))


def read_shard_folder(folder: Path) -> DataSet:
    """Reads the shards in a folder, or in its folders of splits.

    Raises DataError: as `read_shards`.
    """
    return _dataset(folder.resolve().name, folder.absolute().as_posix(), _in_folder(folder))


def read_shards(path: Path | str) -> DataSet:
    """Reads a shard, or all shards that a name with braces stands for: a path or a web address.

    A sample is a group of files that differ only in the ending, which begins at the first dot: an image, and
    its class in .cls, in `label` or `class` of .json, or in .txt. A class is a line of `classes.txt` beside
    the shards, or its number; without that file it is named as written. Shards are assigned to splits by
    their names or folders, such as train-000.tar and val-000.tar; if no name states a split, or all state the
    same one, all are training. For validation, single images of local shards are held out, but whole remote
    shards.

    Raises DataError: the library is needed but not installed; braces that stand for nothing; a shard that
    `indexed` refuses; only some shards are assigned to splits, or none to training; a class that is not in
    `classes.txt`.
    """
    text = str(path)
    wheres = [text] if not is_remote(text) and Path(text).exists() else _expanded(text)
    if not is_remote(text):
        missing = [where for where in wheres if not Path(where).is_file()]
        if missing:
            raise DataError(
                f"{missing[0]}: no such shard; {len(missing)} of the {len(wheres)} in {text} are missing"
            )
    above = [_path(where).rpartition("/")[0].split("/") for where in wheres]
    base = "/".join(level[0] for level in takewhile(_same, zip(*above, strict=False)))
    name = Path(_path(wheres[0])).stem if len(wheres) == 1 else base.rstrip("/").rpartition("/")[2]
    return _dataset(name or "shards", base, wheres)


def _in_folder(folder: Path) -> list[str]:
    """The shards of a folder and its folders of splits; none unless it holds nothing else."""
    inside = visible(folder)
    folders = [path for path in inside if path.is_dir()]
    if any(path.name.lower() not in SPLITS for path in folders):
        return []
    below = [path for of in folders for path in visible(of)]
    if any(path.is_dir() for path in below):
        return []
    shards = [path for path in (*inside, *below) if path.suffix.lower() == ".tar" and path.is_file()]
    return list(map(str, shards))


def _expanded(text: str) -> list[str]:
    """The paths or addresses that a name with braces stands for."""
    library(text)
    from braceexpand import braceexpand

    try:
        found = list(braceexpand(text))
    except ValueError as error:
        raise DataError(f"{text}: its braces stand for nothing ({error}); write {{000..099}}") from error
    for where in found:
        if not _path(where).lower().endswith(".tar"):
            raise DataError(f"{where}: not a shard by its ending; shards are uncompressed .tar files")
    if len(set(found)) < len(found):
        raise DataError(f"{text}: names a shard twice; name it once")
    return found


def _same(names: tuple[str, ...]) -> bool:
    return len(set(names)) == 1


def _path(where: str) -> str:
    """An address without its query, or an absolute path, with slashes."""
    return where.partition("?")[0] if is_remote(where) else Path(where).absolute().as_posix()


def _dataset(name: str, base: str, wheres: Sequence[str]) -> DataSet:
    """The set in some shards below `base`."""
    splits = _splits(name, base, wheres)
    with ThreadPoolExecutor(allowed_cores()) as pool:
        shards = dict(zip(wheres, pool.map(indexed, wheres), strict=True))
    classes, numbers = _classes(base, list(shards.values()))
    images = {split: ShardImages.of([shards[where] for where in of], numbers) for split, of in splits.items()}
    return DataSet(name, classes, images["train"], images.get("val"), images.get("test"))


def _splits(name: str, base: str, wheres: Sequence[str]) -> dict[str, list[str]]:
    """The shards of each split, by the first word of their names below `base` that is a split."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for where in wheres:
        match = _SPLIT.search(_path(where).removeprefix(base))
        found[SPLITS[match[1].lower()] if match else ""].append(where)
    if len(found) == 1:
        return {"train": list(wheres)}
    if "" in found:
        raise DataError(
            f"{found[''][0]}: belongs to no split, but others do; begin all names with train, val, test, "
            "or none of them"
        )
    if "train" not in found:
        raise DataError(
            f"{name}: has shards for {' and '.join(found)} but none for train; name some train-*.tar"
        )
    return found


def _classes(base: str, shards: Sequence[Shard]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes, and the number of each one by its text in the shards."""
    named = {text: (shard, number) for shard in reversed(shards) for number, text in enumerate(shard.classes)}
    listed = _listed(base)
    classes = class_order(named) if listed is None else listed
    numbers = {text: number for number, text in enumerate(classes)}
    if not set(named) <= set(numbers) and all(text.isascii() and text.isdecimal() for text in named):
        numbers = {str(number): number for number in range(len(classes))}
    for text, (shard, number) in named.items():
        if text not in numbers:
            raise DataError(
                f"{shard.where}/{shard.names[number]}: its class is {text!r}, but {base}/{CLASSES} has "
                f"{len(classes)} lines, from 0{nearest(text, classes)}; correct the class or add a line"
            )
    return classes, numbers


def _listed(base: str) -> tuple[str, ...] | None:
    """The lines of the file that lists the classes; None if there is no such file."""
    where = f"{base}/{CLASSES}"
    try:
        if is_remote(base):
            with urllib.request.urlopen(where, timeout=_TIMEOUT_SECONDS) as answer:
                data = answer.read()
        else:
            check_regular(where)
            data = Path(where).read_bytes()
        return tuple(line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip())
    except FileNotFoundError:
        return None
    except urllib.error.HTTPError as error:
        error.close()
        if error.code not in (403, 404):  # some stores answer 403 for missing files
            raise DataError(f"{where}: cannot be read ({error}); correct that") from error
        return None
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 ({error}); save it in UTF-8") from error
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{where}: cannot be read ({trouble(error)}); correct that") from error


def _part(where: str, start: int, size: int) -> bytes:
    """Returns some bytes of a shard. Raises DataError: it cannot be read, or has changed."""
    try:
        data = _remote_part(where, start, size) if is_remote(where) else _local_part(where, start, size)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{where}: cannot be read ({trouble(error)}); correct that or remove it") from error
    if len(data) < size:
        raise DataError(
            f"{where}: is shorter than when it was indexed; if it is being copied, start again afterwards"
        )
    return data


def _local_part(where: str, start: int, size: int) -> bytes:
    with Path(where).open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(size)


def _remote_part(where: str, start: int, size: int) -> bytes:
    """Requests a part of a file from a server. Raises DataError: the server sends only whole files."""
    headers = {"User-Agent": "hubel", "Range": f"bytes={start}-{start + size - 1}"}
    request = urllib.request.Request(where, headers=headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            raise DataError(
                f"{where}: the server does not send parts of files, as single images require; move the "
                "shards to one that does, such as nginx or an object store, or download them"
            )
        return bytes(answer.read())
