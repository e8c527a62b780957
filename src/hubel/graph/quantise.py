"""What makes a graph compute in int8: the ranges of its values, the bits of its weights, what stays in float.

Values are unsigned bytes: their range, which has 0 in it, in 256 even steps. Weights are signed, per filter.
Source: the quantised operators of ONNX, QuantizeLinear and DequantizeLinear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from hubel.graph.frozen import Floats

MOST = 255
LEAST_SCALE = 1e-8
"""Values that are always 0 have some scale."""

BINS = 2048
LEAST_WIDTH = 1e-4
"""Bins of a distribution need some width, where all values are the same."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """How a network is quantised.

    `ranges` are the least and the greatest value of every step's output, and of the input, by path. With 7
    `bits` weights take half of their range, so that two products cannot overflow 16 bits, as they may on
    processors without VNNI. The layers `in_float` are left as they are.
    """

    ranges: dict[str, tuple[float, float]]
    bits: int = 8
    in_float: frozenset[str] = frozenset()

    def scale_of(self, path: str) -> tuple[np.float32, np.uint8]:
        """The step between values of a path, and the byte that stands for 0."""
        low, high = self.ranges[path]
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / MOST, LEAST_SCALE)
        return np.float32(scale), np.uint8(round(-low / scale))

    def weights(self, kernels: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
        """Kernels as bytes, and the step of each filter."""
        most = 2 ** (self.bits - 1) - 1
        largest = np.abs(kernels).reshape(len(kernels), -1).max(1)
        scales = np.maximum(largest / most, LEAST_SCALE).astype(np.float32)
        shaped = scales.reshape(-1, *[1] * (kernels.ndim - 1))
        return np.rint(kernels / shaped).clip(-most, most).astype(np.int8), scales


class Ranges:
    """The ranges of values, from batches of them: the extremes, and those within which most lie."""

    def __init__(self) -> None:
        self._low: dict[str, float] = {}
        self._high: dict[str, float] = {}
        self._counts: dict[str, npt.NDArray[np.int64]] = {}

    def see(self, path: str, values: Floats) -> None:
        """Takes a batch of values for the extremes."""
        low, high = float(values.min()), float(values.max())
        self._low[path] = min(low, self._low.get(path, low))
        self._high[path] = max(high, self._high.get(path, high))

    def count(self, path: str, values: Floats) -> None:
        """Takes a batch of values for their distribution, once all were seen."""
        low, high = self._low[path], self._high[path]
        counts, _ = np.histogram(values.astype(np.float64), BINS, (low, max(high, low + LEAST_WIDTH)))
        self._counts[path] = self._counts.get(path, 0) + counts

    def extremes(self) -> dict[str, tuple[float, float]]:
        """The least and the greatest value of each path."""
        return {path: (low, self._high[path]) for path, low in self._low.items()}

    def within(self, share: float) -> dict[str, tuple[float, float]]:
        """For each path the narrowest range, from below and from above, that has this share of the values."""
        return dict(self._within(share))

    def _within(self, share: float) -> Iterator[tuple[str, tuple[float, float]]]:
        for path, (low, high) in self.extremes().items():
            counts = self._counts[path]
            edges = np.linspace(low, max(high, low + LEAST_WIDTH), BINS + 1)
            below = np.cumsum(counts) / counts.sum()
            first = int(np.searchsorted(below, (1 - share) / 2))
            last = int(np.searchsorted(below, 1 - (1 - share) / 2))
            yield path, (float(edges[first]), float(edges[min(last + 1, BINS)]))
