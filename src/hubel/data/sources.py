"""Sources: a name, a path or objects given in Python become a data set; its format is detected."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hubel.data.dataset import DataSet
from hubel.data.formats.cifar import (
    is_cifar_binary,
    is_cifar_python,
    read_cifar_binary,
    read_cifar_python,
)
from hubel.data.formats.digits import read_digits
from hubel.data.formats.fetch import FETCHABLE, fetched
from hubel.data.formats.folder import LAYOUTS, read_folder
from hubel.data.formats.huggingface import SCHEME, is_tables, read_hub, read_table, read_tables
from hubel.data.formats.idx import is_idx, read_fashion_mnist, read_idx
from hubel.data.formats.manifest import read_manifest
from hubel.data.formats.npz import read_npz
from hubel.data.formats.python import Progress, count_given, read_python
from hubel.data.formats.shard_index import is_remote
from hubel.data.formats.shards import is_shards, read_shard_folder, read_shards
from hubel.data.split import with_val
from hubel.errors import DataError, UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS: tuple[tuple[Callable[[Path], bool], Callable[[Path], DataSet]], ...] = (
    (is_idx, read_idx),
    (is_cifar_python, read_cifar_python),
    (is_cifar_binary, read_cifar_binary),
    (is_tables, read_tables),
    (is_shards, read_shard_folder),
)
"""The formats recognised by a folder's files, with their readers; any other folder holds class folders."""

FILES: dict[str, Callable[[Path], DataSet]] = {
    ".csv": read_manifest,
    ".npz": read_npz,
    ".parquet": read_table,
    ".arrow": read_table,
    ".tar": read_shards,
}
"""The readers of single files, by ending. The name of a .tar may stand for several: `{000..009}`."""

NAMES = {entry.folder: entry.names for entry in FETCHABLE.values() if entry.names}
"""The class names of sets whose class folders are codes, by the folder they are in."""

UNPACKED = (
    *("cifar-10-batches-py", "cifar-10-batches-bin", "cifar-100-python", "cifar-100-binary"),
    *("MNIST/raw", "FashionMNIST/raw"),
    *NAMES,
)
"""The folders that known archives unpack to; the folder above one may be given in its place."""


def read_fetched(name: str) -> DataSet:
    """Reads a set downloaded by `hubel data fetch`.

    Raises DataError: it is not downloaded yet.
    """
    folder = fetched(name)
    if not folder.is_dir():
        beside = f", or give ./{name} for the folder of that name" if Path(name).exists() else ""
        raise DataError(f"{name}: {folder} is missing; run `hubel data fetch {name}`{beside}")
    return replace(_read_folder(folder), name=name)


def _read_fashion_mnist() -> DataSet:
    """Reads the downloaded set, else that of Debian's package."""
    name = "fashion-mnist"
    return read_fetched(name) if fetched(name).is_dir() else read_fashion_mnist()


NAMED: dict[str, Callable[[], DataSet]] = {
    "digits": read_digits,
    **{name: partial(read_fetched, name) for name in FETCHABLE},
    "fashion-mnist": _read_fashion_mnist,
}
"""The sets that have a name, and their readers."""


DataLike: TypeAlias = str | Path | DataSet | Any
"""What stands for a set: its name, its path, a `DataSet`, or labelled images (`formats.python`)."""

_GIVEN = re.compile(r"\([\d,]+ images? from Python\)")


def open_data(
    where: DataLike, *, val: float = 0.2, seed: int = 0, progress: Progress | None = None
) -> DataSet:
    """Opens a set by its name or path, or from labelled images given in Python (`formats.python`).

    A `Path` is never a name, so `Path("digits")` is a folder. `hf:OWNER/NAME@CONFIG` is a set of the Hugging
    Face hub, `https://HOST/train-{000..099}.tar` one of remote WebDataset shards. If there is no validation
    set, the share `val` of every training class is held out as one, chosen by the random seed `seed`;
    with `val=0` the training set stays whole and `val` is None. A test set is never touched. `progress` is
    called as by `read_python`.

    Raises DataError: no such set, an unknown format, files that cannot be read, `val` outside 0 to 1, a
    negative seed, or as the format's reader. Raises UsageError: an empty name.
    """
    if not 0 <= val < 1:
        raise DataError(f"val is the share of training images to hold out, from 0 to below 1, not {val}")
    if isinstance(where, str) and not where:
        raise UsageError(f"no data set is named\n{_accepted()}")
    if seed < 0:
        raise DataError(f"the random seed is a whole number of at least 0, not {seed}")
    if isinstance(where, DataSet):
        return with_val(where, val, seed)
    if not isinstance(where, str | Path):
        return with_val(read_python(where, progress), val, seed)
    try:
        dataset = _read(where)
    except OSError as error:
        raise DataError(
            f"{error.filename or where}: cannot be read: {error.strerror}; correct that or move it"
        ) from error
    return with_val(dataset, val, seed)


def whereabouts(where: DataLike) -> str:
    """Returns what a set can be found by again: its name, or its absolute path.

    Images given in Python cannot be found again; their text, `(4,000 images from Python)`, only counts them.
    """
    if isinstance(where, DataSet):
        count = sum(len(images) for images in (where.train, where.val, where.test) if images is not None)
    elif not isinstance(where, str | Path):
        count = count_given(where)
    elif isinstance(where, str) and (
        where in NAMED or where.startswith(SCHEME) or is_remote(where) or is_from_python(where)
    ):
        return where
    else:
        return str(Path(where).expanduser().resolve())
    return f"({count:,} image{'' if count == 1 else 's'} from Python)"


def is_from_python(recorded: str) -> bool:
    """Whether `whereabouts` recorded images given in Python, which cannot be found again."""
    return _GIVEN.fullmatch(recorded) is not None


def is_at(where: DataLike, recorded: object) -> bool:
    """Whether a set is the one that `whereabouts` recorded; of images given in Python that is not known."""
    return isinstance(where, str | Path) and whereabouts(where) == recorded


def _read(where: str | Path) -> DataSet:
    """Reads a set by name or path. Raises DataError: an unknown one. Raises OSError: it cannot be read."""
    if isinstance(where, str) and is_from_python(where):
        raise DataError(f"{where}: images given in Python cannot be found by this text; give them again")
    if isinstance(where, str) and where in NAMED:
        return NAMED[where]()
    if isinstance(where, str) and where.startswith(SCHEME):
        return read_hub(where)
    if isinstance(where, str) and is_remote(where):
        return read_shards(where)
    path = Path(where).expanduser()
    if path.is_dir():
        return _read_folder(path)
    read = FILES.get(path.suffix.lower())
    if read is not None and (path.exists() or _has_braces(path)):
        return read(path)
    if path.exists():
        raise DataError(f"{path}: a file; if it is an archive, unpack it and give its folder\n{_accepted()}")
    raise DataError(
        f"{where}: no such folder or file, and no set of that name{nearest(str(where), NAMED)}\n{_accepted()}"
    )


def _has_braces(path: Path) -> bool:
    """Whether a .tar's path has braces, in its name or a folder's, and so may stand for several files."""
    return path.suffix.lower() == ".tar" and "{" in str(path)


def _read_folder(path: Path) -> DataSet:
    inside = [path / name for name in UNPACKED if (path / name).is_dir()]
    if len(inside) > 1:
        raise DataError(f"{path}: holds several sets; give one of {', '.join(map(str, inside))}")
    root = inside[0] if inside else path
    for recognise, read in FORMATS:
        if recognise(root):
            return read(root)
    dataset, names = read_folder(root), NAMES.get(root.name, {})
    return replace(dataset, classes=tuple(names.get(code, code) for code in dataset.classes))


def _accepted() -> str:
    kinds = (
        f"a name ({', '.join(NAMED)})",
        f"{SCHEME}NAME or {SCHEME}NAME@CONFIG of the Hugging Face hub",
        f"a folder of class folders ({LAYOUTS})",
        "a folder of IDX files (train-images-idx3-ubyte and so on, gzipped or not)",
        "an unpacked CIFAR-10 or CIFAR-100, Python or binary version",
        "a .csv file with the header path,label[,split][,group]",
        "a .npz file with x_train and y_train; .parquet, .arrow files",
        "WebDataset shards: a folder, a .tar, or a path or address such as train-{000..099}.tar",
    )
    return "\n  ".join(("accepted:", *kinds))
