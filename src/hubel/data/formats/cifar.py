"""CIFAR-10 and CIFAR-100: 32x32 colour images, in the Python and the binary version.

Source: Krizhevsky 2009, and the description of both layouts at https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.data.dataset import ArrayImages, DataSet, numbered
from hubel.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hubel.data.arrays import Bytes, Labels

_SIDE = 32
_VALUES = 3 * _SIDE * _SIDE
_AGAIN = "unpack the archive again"
_BYTE = range(256)


@dataclass(frozen=True, slots=True)
class _Layout:
    """The names of a set's files and of their contents; the binary files end with .bin.

    `labels` and `names` are keys of the pickles; `names_file` lists the classes of the binary version, whose
    records begin with `label_bytes` labels, the last of which is the class.
    """

    name: str
    train: tuple[str, ...]
    test: str
    meta: str
    labels: str
    names: str
    names_file: str
    label_bytes: int


_LAYOUTS = (
    _Layout(
        name="cifar-10",
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        meta="batches.meta",
        labels="labels",
        names="label_names",
        names_file="batches.meta.txt",
        label_bytes=1,
    ),
    _Layout(
        name="cifar-100",
        train=("train",),
        test="test",
        meta="meta",
        labels="fine_labels",
        names="fine_label_names",
        names_file="fine_label_names.txt",
        label_bytes=2,
    ),
)


def _latin1(text: str, encoding: str) -> bytes:
    """Restores bytes that Python 3 pickled for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes are encoded as latin1, not {encoding}")
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
    """Whether the folder is an unpacked cifar-10-python.tar.gz or cifar-100-python.tar.gz."""
    return _layout(folder, "") is not None


def is_cifar_binary(folder: Path) -> bool:
    """Whether the folder is an unpacked cifar-10-binary.tar.gz or cifar-100-binary.tar.gz."""
    return _layout(folder, ".bin") is not None


def read_cifar_python(folder: Path) -> DataSet:
    """Reads the Python version: training batches, the test batch and the class names, all pickles.

    Of CIFAR-100's two labels, the fine one of 100 classes is read. The pickles are read with an allow list:
    they can build only dicts, lists, numbers, texts and byte arrays.

    Raises DataError: a file is missing, damaged, has other contents, or would build anything else.
    """
    layout = _known(folder, "")
    path = folder / layout.meta
    classes = _unpickle(path).get(layout.names)
    if isinstance(classes, list):
        classes = [_text(name) for name in classes]
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise DataError(f"{path}: no list of texts called {layout.names}; {_AGAIN}")
    return _dataset(folder, "", layout, classes, _python_batch)


def read_cifar_binary(folder: Path) -> DataSet:
    """Reads the binary version: training batches, the test batch and the class names, one per line.

    Raises DataError: a file is missing, or its length is not a whole number of records.
    """
    layout = _known(folder, ".bin")
    path = folder / layout.names_file
    try:
        lines = _content(path).decode().splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text ({error}); {_AGAIN}") from error
    classes = [line.strip() for line in lines if line.strip()]
    return _dataset(folder, ".bin", layout, classes, _binary_batch)


def _layout(folder: Path, suffix: str) -> _Layout | None:
    """The layout whose first training file the folder has; a file `train` alone could be anything."""
    for layout in _LAYOUTS:
        names = layout.names_file if suffix else layout.meta
        first = (folder / f"{layout.train[0]}{suffix}").is_file()
        if first and (len(layout.train) > 1 or (folder / names).is_file()):
            return layout
    return None


def _known(folder: Path, suffix: str) -> _Layout:
    layout = _layout(folder, suffix)
    if layout is None:
        raise DataError(f"{folder}: not an unpacked CIFAR-10 or CIFAR-100; {_AGAIN}")
    return layout


def _dataset(
    folder: Path,
    suffix: str,
    layout: _Layout,
    classes: list[str],
    read: Callable[[Path, _Layout], tuple[Bytes, Labels]],
) -> DataSet:
    def split(name: str, files: tuple[str, ...]) -> ArrayImages:
        batches = [read(folder / f"{file}{suffix}", layout) for file in files]
        planes = np.concatenate([batch[0] for batch in batches]).reshape(-1, 3, _SIDE, _SIDE)
        labels = np.concatenate([batch[1] for batch in batches])
        pixels = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        return ArrayImages(labels, pixels, numbered(name, len(labels)))

    return DataSet(
        name=layout.name,
        classes=tuple(classes),
        train=split("train", layout.train),
        test=split("test", (layout.test,)),
        declared_mirror=True,
    )


def _python_batch(path: Path, layout: _Layout) -> tuple[Bytes, Labels]:
    """Reads a pickled batch; returns pixels, n x 3072, and labels, n."""
    batch = _unpickle(path)
    pixels, labels = batch.get("data"), batch.get(layout.labels)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (_VALUES,):
        raise DataError(f"{path}: no array of bytes, n x {_VALUES}, called data; {_AGAIN}")
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu":
        labels = labels.tolist()
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{path}: no list of whole numbers called {layout.labels}; {_AGAIN}")
    if not all(label in _BYTE for label in labels):
        raise DataError(f"{path}: some {layout.labels} are not from 0 to 255; {_AGAIN}")
    if len(labels) != len(pixels):
        raise DataError(f"{path}: {len(pixels)} images but {len(labels)} labels; {_AGAIN}")
    return pixels, np.array(labels, np.int64)


def _binary_batch(path: Path, layout: _Layout) -> tuple[Bytes, Labels]:
    """Reads a batch of binary records, labels then pixels; returns pixels, n x 3072, and labels, n."""
    content = _content(path)
    record = layout.label_bytes + _VALUES
    if not content or len(content) % record:
        raise DataError(
            f"{path}: {len(content)} bytes are not a whole number of records of {record} bytes; {_AGAIN}"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    return records[:, layout.label_bytes :], records[:, layout.label_bytes - 1].astype(np.int64)


class _Unpickler(pickle.Unpickler):
    """Unpickles batches: only what builds a NumPy array is allowed."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}, which no CIFAR file needs: it may be an attack"
            ) from None


def _unpickle(path: Path) -> dict[str, Any]:
    """Reads a pickled dict; texts of Python 2 are decoded as Latin-1, as NumPy's arrays need."""
    if not path.is_file():
        raise DataError(f"{path}: missing; {_AGAIN}")
    with path.open("rb") as file:
        try:
            content = _Unpickler(file, encoding="latin1").load()
        except Exception as error:  # damaged pickles raise nearly anything
            raise DataError(f"{path}: not a CIFAR file ({error}); {_AGAIN}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: a pickled {type(content).__name__}, not a dict; {_AGAIN}")
    return {_text(key): value for key, value in content.items()}


def _text(value: Any) -> Any:
    """Decodes the bytes that texts become when Python 3 rewrites a pickle of Python 2."""
    return value.decode("latin1") if isinstance(value, bytes) else value


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path}: missing; {_AGAIN}")
    return path.read_bytes()
