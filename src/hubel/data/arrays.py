"""The arrays that hold a data set: pixels, labels, places."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
"""Pixels."""

Labels: TypeAlias = npt.NDArray[np.int64]
"""The class of each image, an index into the set's classes."""

Indices: TypeAlias = npt.NDArray[np.intp]
"""Places of images in their set."""

Flags: TypeAlias = npt.NDArray[np.bool_]
"""Whether something holds, image by image."""
