"""WebDataset shards: sets in tar files, whose images are read where they lie, on a disk or on the net.

Opening a set indexes its shards (`shard_index`). From then on an image is a part of a file, which is read
when its turn comes, in any order; of a file on the net, the server is asked for that part. So shards on a
disk are as good as folders, and the library `webdataset` is needed only to expand `{000..099}` and to read
the net in a stream: to index shards, and to train on more than fits into memory (`shard_stream`).
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from PIL import Image

    from hubel.data.arrays import Bytes, Indices, Labels
    from hubel.data.dataset import Images
    from hubel.data.image.preprocess import Preprocessing

CLASSES = "classes.txt"
"""The file beside shards that names the classes, a line each: that of class 0 first."""

_SPLIT = re.compile(rf"(?:^|[-_./])({'|'.join(SPLITS)})(?=[-_./\d]|$)", re.IGNORECASE)
_GAP = 1 << 16
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, eq=False)
class ShardImages:
    """Images in shards: image i is number `members[i]` of `shards[which[i]]`; its name is path/name.

    `near` are the bytes of images that were read ahead, by their places.
    """

    labels: Labels
    shards: tuple[Shard, ...]
    which: Indices
    members: Indices
    near: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, shards: Sequence[Shard], numbers: Mapping[str, int]) -> ShardImages:
        """All images of some shards; `numbers`: the classes by what the shards call them."""
        which = np.repeat(np.arange(len(shards)), [len(shard) for shard in shards])
        members = np.concatenate([np.arange(len(shard)) for shard in shards])
        labels = np.array([numbers[said] for shard in shards for said in shard.classes], np.int64)
        return cls(labels, tuple(shards), which, members)

    def __len__(self) -> int:
        return len(self.members)

    @property
    def remote(self) -> bool:
        """Whether they are on the net, where to ask for many one by one takes long."""
        return is_remote(self.shards[0].where)

    @cached_property
    def groups(self) -> Labels | None:
        """The shard of each image where shards stay on one side of a split: on the net; None on a disk."""
        return self.which.astype(np.int64) if self.remote else None

    def name(self, index: int) -> str:
        """The shard's path or address, and the image's name in it."""
        shard = self.shards[self.which[index]]
        return f"{shard.where}/{shard.names[self.members[index]]}"

    def file(self, index: int) -> Encoded:
        """The image's file. Raises DataError: the shard cannot be read there."""
        data = self.near.get(index)
        return Encoded(self.name(index), self.brought([index]).near[index] if data is None else data)

    def image(self, index: int) -> Image.Image:
        """The whole image. Raises DataError: one that cannot be read."""
        return read_image(self.file(index))

    def fitted(self, index: int, preprocessing: Preprocessing) -> Bytes:
        """The image as a network of this preprocessing sees it. Raises DataError: as the preprocessing."""
        return preprocessing.read(self.file(index))

    def size(self, index: int) -> tuple[int, int]:
        """Height and width in pixels, upright. Raises DataError: one that cannot be read."""
        return read_size(self.file(index))

    def select(self, indices: Indices) -> ShardImages:
        """The images at `indices`, in that order; nothing is read."""
        return ShardImages(self.labels[indices], self.shards, self.which[indices], self.members[indices])

    def brought(self, places: Iterable[int]) -> ShardImages:
        """The same images with those at `places` in memory; neighbours in a shard are read in one go.

        Raises DataError: a shard that cannot be read, or not in parts, or has changed since it was indexed.
        """
        near = {}
        for shard, run in self._runs(places):
            members = [int(self.members[place]) for place in run]
            start = shard.offsets[members[0]]
            data = _part(shard.where, start, shard.offsets[members[-1]] + shard.sizes[members[-1]] - start)
            for place, member in zip(run, members, strict=True):
                at = shard.offsets[member] - start
                near[place] = data[at : at + shard.sizes[member]]
        return replace(self, near=near)

    def digests(self) -> list[bytes]:
        """What tells of each image whether it is the same as another time; none is read."""
        told = []
        for number, member in zip(self.which.tolist(), self.members.tolist(), strict=True):
            shard = self.shards[number]
            text = f"{shard.stamp} {shard.offsets[member]} {shard.sizes[member]}"
            told.append(blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest())
        return told

    def _runs(self, places: Iterable[int]) -> Iterator[tuple[Shard, list[int]]]:
        """The places in turn, cut where another shard begins, or a part of one that is not worth reading."""
        run: list[int] = []
        for place in places:
            if run and not self._follows(run[-1], place):
                yield self.shards[self.which[run[0]]], run
                run = []
            run.append(place)
        if run:
            yield self.shards[self.which[run[0]]], run

    def _follows(self, one: int, other: int) -> bool:
        """Whether an image lies right behind another one."""
        if self.which[one] != self.which[other]:
            return False
        shard, before, after = self.shards[self.which[one]], self.members[one], self.members[other]
        return shard.offsets[after] - shard.offsets[before] - shard.sizes[before] in range(_GAP)


def near(images: Images, places: Iterable[int]) -> Images:
    """The same images with those at `places` at hand: read ahead where to read them one by one takes long.

    Raises DataError: as `ShardImages.brought`.
    """
    if isinstance(images, ShardImages) and images.remote:
        return images.brought(places)
    return images


def is_shards(folder: Path) -> bool:
    """Whether a folder holds shards, and no folders but such for splits of them."""
    return bool(_in_folder(folder))


def read_shard_folder(folder: Path) -> DataSet:
    """Reads the shards in a folder, or in folders for splits in it.

    Raises DataError: as `read_shards`.
    """
    return _dataset(folder.resolve().name, folder.absolute().as_posix(), _in_folder(folder))


def read_shards(path: Path | str) -> DataSet:
    """Reads a shard, or all that a name with braces stands for: a path or an address on the net.

    A sample is of files of one name but for its ending, which begins at the first dot: an image, and its
    class in .cls, in `label` or `class` of .json, or in .txt. Classes are numbers of the lines of
    `classes.txt` beside the shards, or lines of it; without one they are called as they are written. Shards
    are split by their names or folders, such as train-000.tar and val-000.tar; if none says so, or all the
    same, all are training. Where no shard is for validation, images in shards on a disk are held out one by
    one, on the net whole shards.

    Raises DataError: the library is missing, where it is needed; braces that stand for nothing; a shard that
    `indexed` refuses; shards of no split beside others, or none for training; a class that `classes.txt`
    lacks.
    """
    text = str(path)
    wheres = [text] if not is_remote(text) and Path(text).exists() else _expanded(text)
    if not is_remote(text):
        missing = [where for where in wheres if not Path(where).is_file()]
        if missing:
            raise DataError(
                f"{missing[0]}: no such shard; {len(missing)} of {len(wheres)} that {text} names are missing"
            )
    above = [_path(where).rpartition("/")[0].split("/") for where in wheres]
    base = "/".join(level[0] for level in takewhile(_same, zip(*above, strict=False)))
    name = Path(_path(wheres[0])).stem if len(wheres) == 1 else base.rstrip("/").rpartition("/")[2]
    return _dataset(name or "shards", base, wheres)


def _in_folder(folder: Path) -> list[str]:
    """The shards of a folder and its splits' folders; none where `is_shards` says no."""
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
    """All that a name with braces stands for."""
    library(text)
    from braceexpand import braceexpand

    try:
        found = list(braceexpand(text))
    except ValueError as error:
        raise DataError(f"{text}: its braces stand for nothing ({error}); write {{000..099}}") from error
    for where in found:
        if not _path(where).lower().endswith(".tar"):
            raise DataError(f"{where}: no shard by its ending; shards are uncompressed .tar files")
    if len(set(found)) < len(found):
        raise DataError(f"{text}: names a shard twice; leave one")
    return found


def _same(names: tuple[str, ...]) -> bool:
    return len(set(names)) == 1


def _path(where: str) -> str:
    """An address without its query, or a whole path, with slashes."""
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
    """The shards of each split, by the first word in their names below `base` that is one."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for where in wheres:
        said = _SPLIT.search(_path(where).removeprefix(base))
        found[SPLITS[said[1].lower()] if said else ""].append(where)
    if len(found) == 1:
        return {"train": list(wheres)}
    if "" in found:
        raise DataError(
            f"{found[''][0]}: is of no split, but others are; begin all names with train, val, test, or none"
        )
    if "train" not in found:
        raise DataError(
            f"{name}: has shards for {' and '.join(found)} but none for train; call some train-*.tar"
        )
    return found


def _classes(base: str, shards: Sequence[Shard]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes, and the number of each by what shards call it."""
    said = {text: (shard, number) for shard in reversed(shards) for number, text in enumerate(shard.classes)}
    listed = _listed(base)
    classes = class_order(said) if listed is None else listed
    numbers = {text: number for number, text in enumerate(classes)}
    if not set(said) <= set(numbers) and all(text.isascii() and text.isdecimal() for text in said):
        numbers = {str(number): number for number in range(len(classes))}
    for text, (shard, number) in said.items():
        if text not in numbers:
            raise DataError(
                f"{shard.where}/{shard.names[number]}: is of class {text!r}, but {base}/{CLASSES} has "
                f"{len(classes)} lines, numbered from 0{nearest(text, classes)}; add a line or mend the class"
            )
    return classes, numbers


def _listed(base: str) -> tuple[str, ...] | None:
    """The lines of the file that names the classes, None without one."""
    where = f"{base}/{CLASSES}"
    try:
        if is_remote(base):
            with urllib.request.urlopen(where, timeout=_TIMEOUT_SECONDS) as answer:
                data = answer.read()
        else:
            data = Path(where).read_bytes()
        return tuple(line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip())
    except FileNotFoundError:
        return None
    except urllib.error.HTTPError as error:
        error.close()
        if error.code not in (403, 404):  # 403 is what some stores say of files that are not there
            raise DataError(f"{where}: cannot be read ({error}); mend that") from error
        return None
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 ({error}); save it in UTF-8") from error
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{where}: cannot be read ({trouble(error)}); mend that") from error


def _part(where: str, start: int, size: int) -> bytes:
    """Some bytes of a shard. Raises DataError: it cannot be read, or is not what it was."""
    try:
        data = _asked(where, start, size) if is_remote(where) else _seen(where, start, size)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{where}: cannot be read ({trouble(error)}); mend that or take it away") from error
    if len(data) < size:
        raise DataError(
            f"{where}: is shorter than when it was indexed; is it being copied? Start again after"
        )
    return data


def _seen(where: str, start: int, size: int) -> bytes:
    with Path(where).open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(size)


def _asked(where: str, start: int, size: int) -> bytes:
    """Asks a server for a part. Raises DataError: it sends files whole or not at all."""
    headers = {"User-Agent": "hubel", "Range": f"bytes={start}-{start + size - 1}"}
    request = urllib.request.Request(where, headers=headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            raise DataError(
                f"{where}: the server sends no parts of files, which single images are; put the shards on "
                "one that does, as nginx and every object store do, or download them"
            )
        return bytes(answer.read())
