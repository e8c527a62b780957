"""Digits: scikit-learn's 1797 handwritten digits, 8x8 grey, for a network that trains in seconds.

Source: Alpaydin, Kaynak 1998, Optical Recognition of Handwritten Digits, UCI; the test part of the set.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from hubel.data.dataset import ArrayImages, DataSet, numbered
from hubel.errors import DataError

WHITE = 16
"""The highest value of a pixel."""

FILE = "datasets/data/digits.csv.gz"
"""The file inside scikit-learn: a line per digit, with 64 pixels and the class."""


def read_digits() -> DataSet:
    """Returns scikit-learn's digits, their values of 0 to 16 scaled to 0 to 255.

    Only the file is read, in a tenth of a second; importing scikit-learn takes seconds.
    Raises DataError: scikit-learn is not installed, or has the file elsewhere.
    """
    spec = find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError('digits: scikit-learn is missing; run `pip install "hubel[digits]"`')
    path = Path(spec.origin).parent / FILE
    if not path.is_file():
        raise DataError(f"digits: this scikit-learn has no {path}; run `pip install -U scikit-learn`")
    rows = np.loadtxt(path, delimiter=",", dtype=np.int64)
    pixels = np.rint(rows[:, :-1] * (255 / WHITE)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return DataSet(
        name="digits",
        classes=tuple("0123456789"),
        train=ArrayImages(rows[:, -1], pixels, numbered("digits", len(pixels))),
        declared_mirror=False,
    )
