"""Type aliases of the arrays that hold a data set."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
"""Pixels, from 0 to 255."""

Labels: TypeAlias = npt.NDArray[np.int64]
"""The class of each image, an index into the set's classes."""

Indices: TypeAlias = npt.NDArray[np.intp]
"""Places of images in their data set."""

Flags: TypeAlias = npt.NDArray[np.bool_]
"""A truth value per image."""
