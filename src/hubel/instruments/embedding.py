"""Embedding: where a network puts images next to each other, just before it names them.

An image's features are what goes in to the last layer with weights. In the plane, neighbours stay
neighbours as well as two dimensions allow; how far apart groups lie there says little.

Sources: van der Maaten and Hinton 2008 (t-SNE); McInnes et al. 2018 (UMAP); Krizhevsky et al. 2012,
section 6.1 (neighbours by the last hidden layer).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from hubel.errors import UsageError, nearest
from hubel.instruments.subject import Subject, bare
from hubel.net.layers import BatchNorm, Rbf
from hubel.net.sliding import Conv
from hubel.net.trace import INPUT, Step

if TYPE_CHECKING:
    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]

Method: TypeAlias = Literal["tsne", "umap"]
METHODS: tuple[Method, ...] = get_args(Method)

FEWEST = 5
"""The fewest images that are put in a plane."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The images most like one, the most like first.

    `places`: int64, k, in the set; `cosines`: float32, k, of the angle between their features and its.
    """

    places: Counts
    cosines: Floats


def last_weighted(subject: Subject) -> Step:
    """The last layer with weights of its own, whose input the features are; batch normalisation is none.

    Raises UsageError: there is none.
    """
    for step in reversed(subject.steps):
        weighted = step.layer.params(*step.inputs[:1]) > 0 and not isinstance(step.layer, BatchNorm)
        if weighted or isinstance(step.layer, Rbf):
            return step
    raise UsageError("the network has no layer with weights, so there is nothing learned to look at")


def features(subject: Subject, batches: Iterable[Tensor]) -> Floats:
    """The features of images: float32, n x values, in the order they come.

    Batches: float32, n x depth x height x width, as the network sees them. Before a fully connected
    layer all values count, map by map; before a convolution each map's mean over its places.

    Raises UsageError: no images, or no layer with weights.
    """
    step = last_weighted(subject)
    source = step.sources[0]
    found = []
    with torch.no_grad():
        for images in batches:
            value = images if source == INPUT else subject.values(images, [source])[source]
            pooled = value.mean((2, 3)) if isinstance(bare(step.layer), Conv) else value
            found.append(pooled.flatten(1).float().cpu())
    if not found:
        raise UsageError("there are no images to look at")
    return np.asarray(torch.cat(found).numpy())


def place(values: Floats, method: str = "tsne", *, seed: int = 0) -> Floats:
    """Puts features, float32, n x values, in the plane: float32, n x 2, each axis from 0 to 1.

    t-SNE is scikit-learn's at a perplexity of 30, or a third of the images where these are few; UMAP
    is umap-learn's with its own defaults.

    Raises UsageError: no such method, fewer than 5 images, a missing library.
    """
    if method not in METHODS:
        raise UsageError(
            f"there is no method {method!r}{nearest(method, METHODS)}; choose {', '.join(METHODS)}"
        )
    if len(values) < FEWEST:
        raise UsageError(f"a plane takes {FEWEST} images at least, not {len(values)}")
    mapper = _tsne(len(values), seed) if method == "tsne" else _umap(len(values), seed)
    points = np.asarray(mapper.fit_transform(values), np.float32)
    low, high = points.min(0), points.max(0)
    return np.asarray((points - low) / np.where(high > low, high - low, 1))


def neighbours(values: Floats, query: Floats, most: int = 10) -> Neighbours:
    """The images whose features, float32, n x values, lie at the least angle to `query`'s, values.

    Of equal ones the first in the set comes first; features of nothing but zeros have a cosine of 0.
    Raises UsageError: features of another length, or `most` below 1.
    """
    if values.shape[1:] != query.shape:
        raise UsageError(f"features of {values.shape[1:]} have no angle to one of {query.shape}")
    if most < 1:
        raise UsageError(f"ask for 1 neighbour at least, not {most}")
    lengths = np.linalg.norm(values, axis=1) * np.linalg.norm(query)
    cosines = (values @ query) / np.where(lengths > 0, lengths, 1)
    order = np.argsort(-cosines, kind="stable")[:most]
    return Neighbours(order, cosines[order].astype(np.float32))


def spread(points: Floats, side: float, *, overlap: float = 0.2) -> Counts:
    """Which points, n x 2 of 0 to 1, have room for a square image of `side`: places in their order.

    A point's image is left out where more than `overlap` of it would lie on one that came before.
    """
    kept: list[int] = []
    for at, point in enumerate(points):
        shared = np.maximum(0, side - np.abs(points[kept] - point)).prod(1) if kept else np.zeros(1)
        if (shared <= overlap * side**2 + 1e-12).all():
            kept.append(at)
    return np.array(kept, np.int64)


def _tsne(count: int, seed: int) -> Any:
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise UsageError(
            't-SNE is scikit-learn\'s, which is missing; run `pip install "hubel[look]"`'
        ) from error
    return TSNE(perplexity=min(30.0, (count - 1) / 3), init="pca", random_state=seed)


def _umap(count: int, seed: int) -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise UsageError("UMAP is umap-learn's, which is missing; run `pip install umap-learn`") from error
    return UMAP(n_neighbors=min(15, count - 1), random_state=seed, n_jobs=1)
