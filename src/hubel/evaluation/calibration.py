"""Calibration: whether confidence equals accuracy, and the temperature that corrects it.

Source: Guo et al. 2017, sections 2 and 4.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hubel.model.header import TEMPERATURES

BINS = 15
"""The number of probability ranges of equal width, as in the paper."""

STEPS = 100
PRECISION = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Images sorted by confidence, the probability of their prediction, into `BINS` ranges of equal width.

    For each range: `images`, their number, int64; `confidence`, its mean over them, and `accuracy`, the
    share of them predicted correctly, float64, NaN without images. A range includes its upper end but not
    its lower.
    """

    images: Tensor
    confidence: Tensor
    accuracy: Tensor

    @classmethod
    def of(cls, probabilities: Tensor, hits: Tensor) -> Reliability:
        """Sorts predictions by their probabilities, n; `hits`: bool, n, which of them are correct."""
        confidence = probabilities.double()
        edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]
        places = torch.bucketize(confidence, edges)
        images = torch.bincount(places, minlength=BINS)
        sums = torch.zeros(2, BINS, dtype=torch.float64).index_add_(
            1, places, torch.stack([confidence, hits])
        )
        return cls(images, *(sums / images))

    @property
    def error(self) -> float:
        """The expected calibration error: the distance of confidence from accuracy, averaged over images."""
        gaps = (self.confidence - self.accuracy).abs()[self.images > 0]
        return (gaps * self.images[self.images > 0]).sum().div(self.images.sum()).item()


def temperature(scores: Tensor, labels: Tensor) -> float:
    """Returns the temperature, by which scores are divided before the softmax to calibrate probabilities.

    Scores: n x classes; labels: int64, n. The temperature minimises the mean cross-entropy of these
    images, which is convex in its inverse; it is found in float64 by Newton's method inside brackets.
    It is 1 where there is no minimum: if every image is correct, or the scores do not predict the labels;
    and never beyond the least and the greatest that a model may have.
    """
    scores = scores.double()
    of_truth = scores.gather(1, labels[:, None])
    margins = scores - of_truth  # the softmax is the same, and the true class adds nothing to the slope
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
    least, most = TEMPERATURES
    return min(max(1 / inverse, least), most)


def _derivatives(margins: Tensor, inverse: float) -> tuple[float, float]:
    """Returns slope and curvature of the mean cross-entropy as a function of the inverse temperature."""
    shares = (inverse * margins).softmax(1)
    mean = (shares * margins).sum(1, keepdim=True)
    variance = (shares * (margins - mean).square()).sum(1)
    return mean.mean().item(), variance.mean().item()
