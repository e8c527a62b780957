"""Sources: a name or a path becomes a data set; its format is found by looking, never asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hubel.data.cifar import is_cifar_binary, is_cifar_python, read_cifar_binary, read_cifar_python
from hubel.data.digits import read_digits
from hubel.data.folder import LAYOUTS, read_folder
from hubel.data.idx import is_idx, read_fashion_mnist, read_idx
from hubel.data.split import with_val
from hubel.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hubel.data.pictures import DataSet

NAMED: dict[str, Callable[[], DataSet]] = {
    "digits": read_digits,
    "fashion-mnist": read_fashion_mnist,
}
"""The sets that a name is enough for."""

FORMATS: tuple[tuple[Callable[[Path], bool], Callable[[Path], DataSet]], ...] = (
    (is_idx, read_idx),
    (is_cifar_python, read_cifar_python),
    (is_cifar_binary, read_cifar_binary),
)
"""The formats that a folder's files give away, how each is recognised and read; any other is of classes."""

UNPACKED = ("cifar-10-batches-py", "cifar-10-batches-bin", "MNIST/raw", "FashionMNIST/raw")
"""The folders that known archives unpack to: the folder above one is as good as itself."""


def open_data(where: str | Path, *, val: float = 0.2, seed: int = 0) -> DataSet:
    """Opens a set by its name or its path; a `Path` is never a name, so `Path("digits")` is a folder.

    Where the source has no val split, `val` of every training class is held out as one, chosen by `seed`;
    a test split is never touched. `val=0` leaves the training set whole and val None.

    Raises DataError: nothing there, no format known, what the system will not let be read, `val`
    outside 0 to 1, a negative seed, or what its reader refuses.
    """
    if not 0 <= val < 1:
        raise DataError(f"val is the part of the training pictures to hold out, from 0 to below 1, not {val}")
    if seed < 0:
        raise DataError(f"a seed is a whole number of at least 0, not {seed}")
    if isinstance(where, str) and where in NAMED:
        return with_val(NAMED[where](), val, seed)
    path = Path(where).expanduser()
    if not path.exists():
        raise DataError(
            f"{where}: no such folder, and no set of that name{nearest(str(where), NAMED)}\n{_accepted()}"
        )
    if not path.is_dir():
        raise DataError(f"{path}: a file; if it is an archive, unpack it and give its folder\n{_accepted()}")
    try:
        dataset = _read(path)
    except OSError as error:
        raise DataError(
            f"{error.filename or path}: cannot be read: {error.strerror}; mend that or move it"
        ) from error
    return with_val(dataset, val, seed)


def whereabouts(where: str) -> str:
    """A set as it can be found again from anywhere: by its name if it has one, else by its whole path."""
    return where if where in NAMED else str(Path(where).expanduser().resolve())


def _read(path: Path) -> DataSet:
    inside = [path / name for name in UNPACKED if (path / name).is_dir()]
    if len(inside) > 1:
        raise DataError(f"{path}: holds several sets; give one of {', '.join(map(str, inside))}")
    root = inside[0] if inside else path
    for recognise, read in FORMATS:
        if recognise(root):
            return read(root)
    return read_folder(root)


def _accepted() -> str:
    return (
        f"accepted: a name ({', '.join(NAMED)}); a folder of class folders ({LAYOUTS}); "
        "a folder of IDX files (train-images-idx3-ubyte and so on, gzipped or not); "
        "an unpacked CIFAR-10, Python or binary version"
    )
