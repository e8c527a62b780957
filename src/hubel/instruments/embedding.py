"""Embedding: which images are similar to a network, by their features before the last layer.

An image's features are the input of the last layer with weights. In the plane, neighbours stay neighbours
as far as two dimensions allow; the distances between groups mean little.

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
from hubel.net.activations import PRelu
from hubel.net.layers import Rbf
from hubel.net.norms import BatchNorm, GroupNorm, LayerNorm, LayerScale
from hubel.net.sliding import Conv
from hubel.net.trace import INPUT, Step

if TYPE_CHECKING:
    import numpy.typing as npt

    Counts = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]

Method: TypeAlias = Literal["tsne", "umap"]
METHODS: tuple[Method, ...] = get_args(Method)

_PER_MAP = (BatchNorm, LayerNorm, GroupNorm, LayerScale, PRelu)
"""Layers whose weights are factors per map: what they make is no new feature."""

FEWEST = 5
"""The fewest images that can be laid out in a plane."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The images most similar to one image, the most similar first.

    `places`: int64, k, their indices in the set; `cosines`: float32, k, the cosine similarity of features.
    """

    places: Counts
    cosines: Floats


def last_weighted(subject: Subject) -> Step:
    """Returns the last layer with weights, factors per map apart; its input are the features.

    Raises UsageError: there is none.
    """
    for step in reversed(subject.steps):
        weighted = step.layer.params(*step.inputs[:1]) > 0 and not isinstance(step.layer, _PER_MAP)
        if weighted or isinstance(step.layer, Rbf):
            return step
    raise UsageError("the network has no layer with weights, so there are no learned features to look at")


def features(subject: Subject, batches: Iterable[Tensor]) -> Floats:
    """Returns the features of images: float32, n x values, in their order.

    Batches: float32, n x depth x height x width, as the network sees them. The features are all input values
    of a fully connected layer, map by map, or the mean of each input map of a convolution.

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
    """Lays out features, float32, n x values, in the plane: float32, n x 2, each axis from 0 to 1.

    t-SNE is scikit-learn's with a perplexity of 30, or a third of the number of images if that is less; UMAP
    is umap-learn's with its own defaults.

    Raises UsageError: no such method, fewer than 5 images, a missing library.
    """
    if method not in METHODS:
        raise UsageError(
            f"there is no method {method!r}{nearest(method, METHODS)}; choose {', '.join(METHODS)}"
        )
    if len(values) < FEWEST:
        raise UsageError(f"a plane needs at least {FEWEST} images, not {len(values)}")
    mapper = _tsne(len(values), seed) if method == "tsne" else _umap(len(values), seed)
    points = np.asarray(mapper.fit_transform(values), np.float32)
    low, high = points.min(0), points.max(0)
    return np.asarray((points - low) / np.where(high > low, high - low, 1))


def neighbours(values: Floats, query: Floats, most: int = 10) -> Neighbours:
    """Returns the `most` images with the largest cosine similarity to `query`, by their features.

    `values`: float32, n x features; `query`: float32, features. Ties keep the order of the set; features that
    are all zero have a cosine of 0. Raises UsageError: features of another length, or `most` below 1.
    """
    if values.shape[1:] != query.shape:
        raise UsageError(
            f"features of shape {values.shape[1:]} cannot be compared with a query of shape {query.shape}"
        )
    if most < 1:
        raise UsageError(f"ask for at least 1 neighbour, not {most}")
    lengths = np.linalg.norm(values, axis=1) * np.linalg.norm(query)
    cosines = (values @ query) / np.where(lengths > 0, lengths, 1)
    order = np.argsort(-cosines, kind="stable")[:most]
    return Neighbours(order, cosines[order].astype(np.float32))


def spread(points: Floats, side: float, *, overlap: float = 0.2) -> Counts:
    """Returns the indices of points, n x 2 of 0 to 1, that have room for a square image of `side`.

    An image is left out if more than `overlap` of it would cover an earlier one.
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
            't-SNE needs scikit-learn, which is not installed; run `pip install "hubel[look]"`'
        ) from error
    return TSNE(perplexity=min(30.0, (count - 1) / 3), init="pca", random_state=seed)


def _umap(count: int, seed: int) -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise UsageError(
            "UMAP needs umap-learn, which is not installed; run `pip install umap-learn`"
        ) from error
    return UMAP(n_neighbors=min(15, count - 1), random_state=seed, n_jobs=1)
