"""IDX: the format of MNIST and its successors, grey images and labels in four files.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import re
import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubel.data.dataset import ArrayImages, DataSet, numbered
from hubel.errors import DataError
from hubel.files import check_regular

if TYPE_CHECKING:
    from hubel.data.arrays import Bytes, Indices

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""The folder of Debian's package dataset-fashion-mnist."""

FASHION_MNIST = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
"""The official class names. Source: Xiao, Rasul, Vollgraf 2017, table 2."""

_FASHION_LABELS = "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"
_FILE = re.compile(r"(train|t10k)-(images|labels)[-.]idx[13]-ubyte(\.gz)?")
_UNSIGNED_BYTE = 0x08
_MOST_DIMENSIONS = 3
_DEFLATED = 1100
"""The most bytes that one compressed byte can stand for; deflate reaches 1032."""


def is_idx(folder: Path) -> bool:
    """Whether the folder holds any of the four files, plain or gzipped."""
    return any(_FILE.fullmatch(path.name) for path in folder.iterdir())


def read_idx(folder: Path) -> DataSet:
    """Reads `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and, if present, the `t10k` pair.

    IDX files have no class names: Fashion-MNIST is recognised by the checksum of its training labels and gets
    its official names; any other set's classes are its training labels, "0" to "9" for MNIST.

    Raises DataError: a file is missing, damaged or of another length than its header states; images and
    labels differ in number; a test label does not occur in training.
    """
    pixels, labels = _read_pair(folder, "train")
    values = np.unique(labels)
    fashion = hashlib.sha256(labels.tobytes()).hexdigest() == _FASHION_LABELS
    test = None
    if _find(folder, "t10k", "images") or _find(folder, "t10k", "labels"):
        test_pixels, test_labels = _read_pair(folder, "t10k")
        unknown = np.setdiff1d(test_labels, values)
        if len(unknown):
            raise DataError(
                f"{folder}: the t10k files have label {unknown[0]}, which the train files do not have; "
                "check that all four files belong to one set"
            )
        test = _images("test", test_pixels, np.searchsorted(values, test_labels))
    return DataSet(
        name="fashion-mnist" if fashion else folder.resolve().name,
        classes=FASHION_MNIST if fashion else tuple(str(value) for value in values),
        train=_images("train", pixels, np.searchsorted(values, labels)),
        test=test,
        declared_mirror=fashion,
    )


def read_fashion_mnist() -> DataSet:
    """Reads Fashion-MNIST from Debian's package.

    Raises DataError: the package is not installed.
    """
    if not DEBIAN_FASHION_MNIST.is_dir():
        raise DataError(
            f"fashion-mnist: {DEBIAN_FASHION_MNIST} is missing; on Debian or Ubuntu run "
            "`apt-get install dataset-fashion-mnist`, elsewhere give the folder that holds its four IDX files"
        )
    return read_idx(DEBIAN_FASHION_MNIST)


def read_array(path: Path) -> Bytes:
    """Reads one IDX file of unsigned bytes, gzipped or not, whatever its name.

    Raises DataError: not IDX, not of unsigned bytes, or of another length than its header states.
    """
    check_regular(path)
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = _unzipped(path, content)
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(f"{path}: not an IDX file, which begins with two zero bytes; download the file again")
    kind, dimensions = content[2], content[3]
    if kind != _UNSIGNED_BYTE:
        raise DataError(f"{path}: IDX type 0x{kind:02x}; only 0x08, unsigned byte, is read")
    start = 4 + 4 * dimensions
    if dimensions > _MOST_DIMENSIONS:
        raise DataError(f"{path}: its header states {dimensions} dimensions; download the file again")
    shape = [int.from_bytes(content[place : place + 4], "big") for place in range(4, start, 4)]
    if len(content) != start + math.prod(shape):
        raise DataError(
            f"{path}: its header states {' x '.join(map(str, shape))}, {start + math.prod(shape)} bytes; "
            f"it has {len(content)}; download the file again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unzipped(path: Path, content: bytes) -> bytes:
    """The bytes of a gzipped IDX file, no more than one beyond what its header states."""
    try:
        with gzip.open(BytesIO(content)) as file:
            header = file.read(4)
            sizes = file.read(4 * header[3]) if len(header) == 4 else b""
            shape = [int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4)]
            most = min(math.prod(shape), _DEFLATED * len(content))
            return header + sizes + file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: its gzip data are damaged ({error}); download it again") from error


def _read_pair(folder: Path, split: str) -> tuple[Bytes, Bytes]:
    """Reads a split's pixels, n x h x w, and its labels, n."""
    arrays = []
    for kind, dimensions in (("images", 3), ("labels", 1)):
        path = _find(folder, split, kind)
        if path is None:
            raise DataError(f"{folder}: {split}-{kind}-idx{dimensions}-ubyte is missing; add it")
        array = read_array(path)
        if array.ndim != dimensions or array.size == 0:
            raise DataError(
                f"{path}: {split} {kind} have {dimensions} dimensions and none of them is 0, "
                f"but this file is {' x '.join(map(str, array.shape))}; download it again"
            )
        arrays.append(array)
    pixels, labels = arrays
    if len(pixels) != len(labels):
        raise DataError(
            f"{folder}: {len(pixels)} {split} images but {len(labels)} labels; "
            "check that both files belong to one set"
        )
    return pixels, labels


def _find(folder: Path, split: str, kind: str) -> Path | None:
    """Returns a split's file of `kind`; the plain one if there is a gzipped one too."""
    files = sorted(
        path
        for path in folder.iterdir()
        if (match := _FILE.fullmatch(path.name)) and match.groups()[:2] == (split, kind)
    )
    return files[0] if files else None


def _images(split: str, pixels: Bytes, labels: Indices) -> ArrayImages:
    return ArrayImages(labels.astype(np.int64), pixels[..., None], numbered(split, len(pixels)))
