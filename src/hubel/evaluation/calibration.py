"""Calibration: whether a network is right as often as it says, and the temperature that mends it.

Source: Guo et al. 2017, sections 2 and 4.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

BINS = 15
"""Into how many ranges of equal width the probabilities are sorted, as in the paper."""

STEPS = 100
PRECISION = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Images sorted by the probability of their prediction into `BINS` ranges of equal width.

    Of each range: `images`, int64, how many there are; `said`, their mean probability, and `right`, the
    share of them that is right, float64, NaN where there are none. A range has its upper end and not its
    lower.
    """

    images: Tensor
    said: Tensor
    right: Tensor

    @classmethod
    def of(cls, probabilities: Tensor, hits: Tensor) -> Reliability:
        """Sorts predictions by their probabilities, n; `hits`: bool, n, which of them are right."""
        said = probabilities.double()
        edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]
        places = torch.bucketize(said, edges)
        images = torch.bincount(places, minlength=BINS)
        sums = torch.zeros(2, BINS, dtype=torch.float64).index_add_(1, places, torch.stack([said, hits]))
        return cls(images, *(sums / images))

    @property
    def error(self) -> float:
        """The expected calibration error: how far `said` is from `right`, the mean over images."""
        gaps = (self.said - self.right).abs()[self.images > 0]
        return (gaps * self.images[self.images > 0]).sum().div(self.images.sum()).item()


def temperature(scores: Tensor, labels: Tensor) -> float:
    """The number that scores are divided by before the softmax, so that probabilities are what they say.

    Scores: n x classes; labels: int64, n. It makes the mean cross-entropy of these images the smallest,
    which in its inverse is convex, found in float64 by Newton's steps inside brackets. Where no number
    does, it is 1: if every image is right, or if the scores tell nothing of the truth.
    """
    scores = scores.double()
    of_truth = scores.gather(1, labels[:, None])
    margins = scores - of_truth  # the softmax is the same, and what the truth adds to the slope is 0
    if (margins <= 0).all() or margins.mean() >= 0 or not margins.isfinite().all():
        return 1.0
    low, high, inverse = 0.0, math.inf, 1.0
    for _ in range(STEPS):
        slope, curvature = _derivatives(margins, inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        closer = inverse - slope / max(curvature, torch.finfo(torch.float64).tiny)
        if not low <= closer <= high:
            closer = 2 * low if high == math.inf else (low + high) / 2
        inverse, before = closer, inverse
        if abs(inverse - before) <= PRECISION * inverse:
            break
    return 1 / inverse


def _derivatives(margins: Tensor, inverse: float) -> tuple[float, float]:
    """The slope and the curvature of the mean cross-entropy in the inverse of the temperature."""
    shares = (inverse * margins).softmax(1)
    mean = (shares * margins).sum(1, keepdim=True)
    variance = (shares * (margins - mean).square()).sum(1)
    return mean.mean().item(), variance.mean().item()
