"""Compare: how similar the layers of two networks are. For one network over its training see `ages`.

CKA compares two layers by the similarities between the same images in each of them. Neither the width of a
layer nor the order of its units matters, and rotating or scaling its space changes nothing. This is linear
CKA with the unbiased estimate of HSIC, averaged over batches and divided once at the end: 1 for equal
representations, about 0 for unrelated ones, which may fall below 0 by chance.

Sources: Kornblith et al. 2019, section 3; Song et al. 2012, equation 5 (HSIC_1); Nguyen et al. 2021,
section 2 (over batches).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hubel.errors import UsageError
from hubel.instruments.subject import Subject

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

FEWEST = 4
"""The fewest images in a batch: the unbiased estimate divides by n - 3."""


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """How similar the layers of two networks are: `values`, float64, layers of the first x of the second.

    NaN if a layer is the same for all images.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    values: Floats
    images: int

    @property
    def nearest(self) -> dict[str, str]:
        """For each layer of the first network, the most similar layer of the second."""
        places = np.nan_to_num(self.values, nan=-np.inf).argmax(1)
        return {path: self.second[int(place)] for path, place in zip(self.first, places, strict=True)}


def cka(first: Tensor, second: Tensor) -> float:
    """Returns the linear CKA of two representations of the same images: n x ... each, n at least 4.

    Raises UsageError: different numbers of images, or fewer than 4.
    """
    if len(first) != len(second) or len(first) < FEWEST:
        raise UsageError(
            f"CKA needs the same images twice, at least {FEWEST}, not {len(first)} and {len(second)}"
        )
    one, other = (_gram(values)[None] for values in (first, second))
    own, their = (_hsic(gram, gram).diagonal() for gram in (one, other))
    return float(_divided(_hsic(one, other), own, their)[0, 0])


@torch.no_grad()
def likeness(
    first: Subject,
    second: Subject,
    batches: Iterable[tuple[Tensor, Tensor]],
    layers: tuple[Sequence[str], Sequence[str]],
    *,
    progress: Callable[[int], None] | None = None,
) -> Likeness:
    """Computes the CKA of every layer of one network with every layer of another.

    `batches` yields the same images as each network sees them: float32, n x depth x height x width. Shuffle
    them, so that every batch has images of all kinds. `layers` are the paths in the first and in the second
    network. A batch of fewer than 4 images is left out. `progress` is called with the number of images done.

    Raises UsageError: no such layer, no layers, or no batch of at least 4 images.
    """
    ones, others = (tuple(dict.fromkeys(paths)) for paths in layers)
    if not (ones and others):
        raise UsageError("name the layers to compare")
    cross = torch.zeros(len(ones), len(others), dtype=torch.float64)
    own, their = torch.zeros(len(ones)).double(), torch.zeros(len(others)).double()
    count = 0
    for one_sees, other_sees in batches:
        if len(one_sees) != len(other_sees):
            raise UsageError("both networks must see the same images")
        if len(one_sees) < FEWEST:
            continue
        one, other = _grams(first, one_sees, ones), _grams(second, other_sees, others)
        cross += len(one_sees) * _hsic(one, other)
        own += len(one_sees) * _hsic(one, one).diagonal()
        their += len(one_sees) * _hsic(other, other).diagonal()
        count += len(one_sees)
        if progress is not None:
            progress(count)
    if not count:
        raise UsageError(f"CKA needs batches of at least {FEWEST} images")
    return Likeness(ones, others, _divided(cross, own, their).numpy(), count)


def _grams(subject: Subject, images: Tensor, paths: Sequence[str]) -> Tensor:
    """The similarities of images in each layer: float64, layers x n x n."""
    found: dict[str, Tensor] = {}

    def keep(path: str, value: Tensor) -> Tensor:
        found[path] = _gram(value)
        return value

    subject.run(images, keep, paths)
    return torch.stack([found[path] for path in paths])


def _gram(values: Tensor) -> Tensor:
    """The products of images with one another, and 0 with themselves: float64, n x n.

    Their mean is subtracted first: HSIC_1 does not depend on it, and float32 keeps more digits of the rest.
    """
    flat = values.flatten(1)
    flat = flat - flat.mean(0)
    return (flat @ flat.T).double().cpu().fill_diagonal_(0)


def _hsic(first: Tensor, second: Tensor) -> Tensor:
    """HSIC_1 of every pair of Gram matrices with empty diagonals: layers x other layers."""
    n = first.shape[1]
    rows, others = first.sum(2), second.sum(2)
    traces = first.flatten(1) @ second.flatten(1).T
    sums = rows.sum(1)[:, None] * others.sum(1) / ((n - 1) * (n - 2))
    return (traces + sums - 2 / (n - 2) * (rows @ others.T)) / (n * (n - 3))


def _divided(cross: Tensor, own: Tensor, their: Tensor) -> Tensor:
    """CKA from HSIC; NaN if a layer varies no more than by chance."""
    scale = own[:, None] * their
    return torch.where((own[:, None] > 0) & (their > 0), cross / scale.clamp(min=0).sqrt(), torch.nan)
