"""NumPy archives: images and labels as arrays in one `.npz` file, such as Keras' mnist.npz."""

from __future__ import annotations

import math
import zipfile
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hubel.data.dataset import ArrayImages, DataSet, labelled, numbered
from hubel.data.image.modes import COLOUR, GREY
from hubel.errors import DataError, nearest
from hubel.files import check_regular

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from hubel.data.arrays import Bytes, Labels

    Values: TypeAlias = npt.NDArray[np.generic]

NAMES = {
    "train": (("images", "labels"), ("x", "y"), ("x_train", "y_train"), ("train_images", "train_labels")),
    "val": (("x_val", "y_val"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}
"""The accepted names of each split's images and labels."""

CLASSES = ("classes", "class_names", "label_names")
"""The accepted names of the list of class names."""

_DEFLATED = 1100
"""The most bytes that one compressed byte can stand for; deflate reaches 1032."""

_ZIP, _NPY = b"PK", b"\x93NUMPY"
"""The first bytes of an archive of arrays, and of a single array."""

_KNOWN = [*CLASSES, *(name for pairs in NAMES.values() for pair in pairs for name in pair)]


def read_npz(file: Path) -> DataSet:
    """Reads images, uint8, n x h x w [x c], and labels, n, of train and, if present, of val and test.

    Labels are texts, which are the classes, or whole numbers: indices into the list of class names if there
    is one, else the classes themselves, "0" to "9" for MNIST. Nothing is unpickled.

    Raises DataError: no such archive, an unknown or missing name, images of another type or shape, labels
    that do not fit them.
    """
    arrays = _arrays(file)
    found = {split: _pair(file, arrays, split) for split in NAMES}
    pairs = {split: pair for split, pair in found.items() if pair is not None}
    if "train" not in pairs:
        known = " or ".join(" and ".join(pair) for pair in NAMES["train"])
        raise DataError(f"{file}: has no training images, which must be called {known}")
    classes, labels = _labels(file, arrays, {split: values for split, (_, values) in pairs.items()})
    sets = {
        split: ArrayImages(labels[split], pixels, numbered(split, len(pixels)))
        for split, (pixels, _) in pairs.items()
    }
    return DataSet(file.stem, classes, sets["train"], sets.get("val"), sets.get("test"))


def _arrays(file: Path) -> dict[str, Values]:
    """Returns the arrays by name."""
    check_regular(file)
    try:
        with file.open("rb") as stream:
            if not stream.read(len(_NPY)).startswith((_ZIP, _NPY)):
                raise DataError(f"{file}: not a .npz file; save images and labels with numpy.savez(x=, y=)")
            stream.seek(0)
            if stream.read(len(_NPY)) == _NPY:
                raise DataError(
                    f"{file}: holds one array without a name; save images and labels with numpy.savez(x=, y=)"
                )
            stream.seek(0)
            archive: Any = np.load(stream, allow_pickle=False)
            for name in archive.files:
                if name not in _KNOWN:
                    raise DataError(
                        f"{file}: unknown array {name!r}{nearest(name, _KNOWN)}; "
                        f"accepted are {', '.join(_KNOWN)}"
                    )
            for member in archive.zip.infolist():
                _check_size(archive.zip, member)
            return {name: archive[name] for name in archive.files}
    except (DataError, OSError):
        raise
    except Exception as error:  # damaged headers end in nearly anything: SyntaxError, TokenError, MemoryError
        raise DataError(
            f"{file}: not a .npz file of plain arrays ({error}); save it again with numpy.savez, "
            "texts as arrays of str rather than of objects"
        ) from error


def _check_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raises ValueError: an array has fewer bytes than its header states, or can have.

    It is read from the header, before anything is allocated.
    """
    if member.file_size > _DEFLATED * member.compress_size + _DEFLATED:
        raise ValueError(f"{member.filename} cannot hold {member.file_size:,} bytes")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        size = math.prod(shape) * dtype.itemsize
        if size > member.file_size:
            raise ValueError(f"{member.filename} states {size:,} bytes, but has {member.file_size:,}")


def _pair(file: Path, arrays: dict[str, Values], split: str) -> tuple[Bytes, Values] | None:
    """Returns a split's pixels, n x h x w x c, and its labels, n, as stored; None if it has neither."""
    present = [pair for pair in NAMES[split] if any(name in arrays for name in pair)]
    if not present:
        return None
    if len(present) > 1:
        names = " and ".join(name for pair in present for name in pair if name in arrays)
        raise DataError(f"{file}: {names} all belong to the {split} split; keep one pair")
    images, labels = present[0]
    for name in present[0]:
        if name not in arrays:
            raise DataError(f"{file}: has {labels if name == images else images} but no {name}")
    pixels, values = _pixels(file, images, arrays[images]), _flat(arrays[labels])
    if values.shape != (len(pixels),):
        raise DataError(
            f"{file}: {images} are {len(pixels)} images, but {labels} is {_shape(arrays[labels])}; "
            "give one label per image, a whole number or a text"
        )
    return pixels, values


def _pixels(file: Path, name: str, array: Values) -> Bytes:
    if array.dtype != np.uint8:
        advice = "from 0 to 1, save np.rint(x * 255).astype(np.uint8)" if array.dtype.kind == "f" else ""
        raise DataError(
            f"{file}: {name} is {array.dtype}; images are uint8, 0 black and 255 white"
            + (f"; of floats {advice}" if advice else "")
        )
    pixels: Any = array[..., None] if array.ndim == 3 else array
    if pixels.ndim != 4 or pixels.shape[-1] not in (GREY, COLOUR) or pixels.size == 0:
        first = array.ndim == 4 and array.shape[1] in (GREY, COLOUR)
        raise DataError(
            f"{file}: {name} is {_shape(array)}; images are n x height x width, "
            f"or n x height x width x {GREY} or {COLOUR}"
            + ("; move the channels to the end with x.transpose(0, 2, 3, 1)" if first else "")
        )
    return np.ascontiguousarray(pixels)


def _labels(
    file: Path, arrays: dict[str, Values], values: dict[str, Values]
) -> tuple[tuple[str, ...], dict[str, Labels]]:
    """Returns the classes and each split's labels as indices into them."""
    listed = [name for name in CLASSES if name in arrays]
    if len(listed) > 1:
        raise DataError(f"{file}: {' and '.join(listed)} both list the classes; keep one")
    kinds = {array.dtype.kind for array in values.values()}
    if not (kinds <= set("iu") or kinds == {"U"}):
        types = ", ".join(str(array.dtype) for array in values.values())
        raise DataError(f"{file}: labels are {types}; use whole numbers or texts, the same in all splits")
    if listed and kinds <= set("iu"):
        names = arrays[listed[0]]
        if names.ndim != 1 or names.dtype.kind != "U":
            raise DataError(f"{file}: {listed[0]} is {names.dtype} of {_shape(names)}; use a list of texts")
        return tuple(map(str, names)), {split: array.astype(np.int64) for split, array in values.items()}
    return labelled({split: list(map(str, array)) for split, array in values.items()})


def _flat(labels: Values) -> Values:
    """Labels in one dimension; some archives store them as a column."""
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _shape(array: Values) -> str:
    return " x ".join(map(str, array.shape)) or "a single value"
