"""CIFAR-10: 32x32 colour pictures in its Python version and in its binary version.

Source: Krizhevsky 2009, and the description of both layouts at https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.data.pictures import ArrayPictures, DataSet, numbered
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hubel.data.pictures import Bytes, Labels

_SIDE = 32
_VALUES = 3 * _SIDE * _SIDE
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"
_AGAIN = "unpack the archive again"


def _latin1(text: str, encoding: str) -> bytes:
    """Bytes as Python 3 writes them where a pickle is to be read by Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes are written as latin1, not {encoding}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}
for _module in ("numpy.core", "numpy._core"):  # before numpy 2, and since
    _ALLOWED[f"{_module}.multiarray", "_reconstruct"] = np.empty(0).__reduce__()[0]
    _ALLOWED[f"{_module}.numeric", "_frombuffer"] = np.empty(1).__reduce_ex__(5)[0]


def is_cifar_python(folder: Path) -> bool:
    """Whether the folder is an unpacked cifar-10-python.tar.gz."""
    return (folder / _TRAIN[0]).is_file()


def is_cifar_binary(folder: Path) -> bool:
    """Whether the folder is an unpacked cifar-10-binary.tar.gz."""
    return (folder / f"{_TRAIN[0]}.bin").is_file()


def read_cifar_python(folder: Path) -> DataSet:
    """Reads the Python version: five training batches, the test batch and the class names, all pickles.

    The pickles are read with a white list: they can build dicts, lists, numbers, texts and byte arrays.

    Raises DataError: a file missing, damaged, of another content, or one that asks for anything else.
    """
    meta = _unpickle(folder / "batches.meta")
    classes = meta.get("label_names")
    if isinstance(classes, list):
        classes = [_text(name) for name in classes]
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise DataError(f"{folder / 'batches.meta'}: no list of texts called label_names; {_AGAIN}")
    return _dataset(folder, "", classes, _python_batch)


def read_cifar_binary(folder: Path) -> DataSet:
    """Reads the binary version: five training batches, the test batch and the class names, a line each.

    Raises DataError: a file missing or of a length that is no whole number of records.
    """
    try:
        lines = _content(folder / "batches.meta.txt").decode().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{folder / 'batches.meta.txt'}: not text ({error}); {_AGAIN}") from error
    return _dataset(folder, ".bin", [line.strip() for line in lines if line.strip()], _binary_batch)


def _dataset(
    folder: Path, suffix: str, classes: list[str], read: Callable[[Path], tuple[Bytes, Labels]]
) -> DataSet:
    def split(name: str, files: tuple[str, ...]) -> ArrayPictures:
        batches = [read(folder / f"{file}{suffix}") for file in files]
        planes = np.concatenate([batch[0] for batch in batches]).reshape(-1, 3, _SIDE, _SIDE)
        labels = np.concatenate([batch[1] for batch in batches])
        pixels = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        return ArrayPictures(labels, pixels, numbered(name, len(labels)))

    return DataSet(
        name="cifar-10",
        classes=tuple(classes),
        train=split("train", _TRAIN),
        test=split("test", (_TEST,)),
        declared_mirror=True,
    )


def _python_batch(path: Path) -> tuple[Bytes, Labels]:
    """Reads a pickled batch: pixels, n x 3072, and labels, n."""
    batch = _unpickle(path)
    pixels, labels = batch.get("data"), batch.get("labels")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (_VALUES,):
        raise DataError(f"{path}: no array of bytes, n x {_VALUES}, called data; {_AGAIN}")
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        labels = labels.tolist()
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{path}: no list of whole numbers called labels; {_AGAIN}")
    if len(labels) != len(pixels):
        raise DataError(f"{path}: {len(pixels)} pictures but {len(labels)} labels; {_AGAIN}")
    return pixels, np.array(labels, np.int64)


def _binary_batch(path: Path) -> tuple[Bytes, Labels]:
    """Reads a binary batch, records of a label's byte and 3072 of pixels: pixels, n x 3072, and labels, n."""
    content = _content(path)
    if not content or len(content) % (1 + _VALUES):
        raise DataError(
            f"{path}: {len(content)} bytes are no whole number of records of {1 + _VALUES}; {_AGAIN}"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + _VALUES)
    return records[:, 1:], records[:, 0].astype(np.int64)


class _Unpickler(pickle.Unpickler):
    """Builds only what a batch is made of: what makes a numpy array is let through, nothing else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}, which no CIFAR-10 file needs: it may be an attack"
            ) from None


def _unpickle(path: Path) -> dict[str, Any]:
    """Reads a pickled dict; texts of Python 2 are read as Latin-1, as numpy's arrays need."""
    if not path.is_file():
        raise DataError(f"{path}: missing; {_AGAIN}")
    with path.open("rb") as file:
        try:
            content = _Unpickler(file, encoding="latin1").load()
        except Exception as error:  # damaged pickles raise nearly anything
            raise DataError(f"{path}: not a CIFAR-10 file ({error}); {_AGAIN}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: a pickled {type(content).__name__}, not a dict; {_AGAIN}")
    return {_text(key): value for key, value in content.items()}


def _text(value: Any) -> Any:
    """Bytes as the text they are where Python 3 has read and written a pickle of Python 2's."""
    return value.decode("latin1") if isinstance(value, bytes) else value


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path}: missing; {_AGAIN}")
    return path.read_bytes()
