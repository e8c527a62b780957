"""Digits: scikit-learn's 1797 handwritten digits, 8x8 grey, for a network that trains in seconds.

Source: Alpaydin, Kaynak 1998, Optical Recognition of Handwritten Digits, UCI; the test part of that set.
"""

from __future__ import annotations

import numpy as np

from hubel.data.pictures import ArrayPictures, DataSet, numbered
from hubel.errors import DataError

_WHITE = 16


def read_digits() -> DataSet:
    """Returns the digits as scikit-learn has them, with their values of 0 to 16 scaled to 0 to 255.

    Raises DataError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError('digits: scikit-learn is missing; run `pip install "hubel[digits]"`') from error
    digits = load_digits()
    pixels = np.rint(digits.images * (255 / _WHITE)).astype(np.uint8)
    return DataSet(
        name="digits",
        classes=tuple("0123456789"),
        train=ArrayPictures(
            digits.target.astype(np.int64), pixels[..., None], numbered("digits", len(pixels))
        ),
        declared_mirror=False,
    )
