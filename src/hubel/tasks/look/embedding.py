"""Embedding: the images of a set laid out by their features, or those most like one image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from hubel.data.feed.decoded import Decoded, decode
from hubel.data.image.objects import ImageLike
from hubel.instruments.embedding import Neighbours, features, neighbours, place
from hubel.instruments.stream import BATCH
from hubel.report.instruments import embedding as report
from hubel.tasks.look.finding import PNG, Finding
from hubel.tasks.look.images import Progress, Source, counted
from hubel.tasks.look.specimen import Specimen

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.instruments.embedding import Floats

TITLES = {"tsne": "t-SNE", "umap": "UMAP"}
"""What to call each method."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Images of a set, its classes, and the images' features: float32, images x features."""

    images: Decoded
    classes: tuple[str, ...]
    features: Floats


def embed(specimen: Specimen, source: Source, progress: Progress | None = None) -> Embedded:
    """Reads images and finds their features."""
    found = source.open()
    images = decode(found.images, specimen.preprocessing)
    done = counted(progress, "looking at images", len(images))

    def batches() -> Iterator[Tensor]:
        for start in range(0, len(images), BATCH):
            yield specimen.preprocessing.normalise(torch.from_numpy(images.pixels[start : start + BATCH]))
            if done is not None:
                done(min(start + BATCH, len(images)))

    return Embedded(images, found.classes, features(specimen.subject, batches()))


def look_at_plane(embedded: Embedded, method: str, seed: int) -> Finding:
    """Lays out images in the plane."""
    images, classes = embedded.images, embedded.classes
    points = place(embedded.features, method, seed=seed)
    count, size = embedded.features.shape
    title = f"{count:,} images by {size:,} features, {TITLES[method]}"
    return Finding(
        "embedding",
        points,
        PNG,
        lambda _form: report.map_figure(points, images.pixels, images.labels, classes, title=title),
        to_json=lambda: report.map_json(points, images.names, images.labels, classes),
        to_arrays=lambda: {"points": points, "labels": images.labels, "features": embedded.features},
    )


def look_at_neighbours(specimen: Specimen, embedded: Embedded, near: ImageLike, top: int) -> Finding:
    """Finds the images most like one image."""
    images, classes = embedded.images, embedded.classes
    found = _nearest(specimen, embedded, near, top)
    query = specimen.pixels(near)
    names = [classes[images.labels[at]] for at in found.places]
    title = Path(near).name if isinstance(near, str | Path) else "image"
    return Finding(
        "embedding",
        found,
        PNG,
        lambda _form: report.strip_figure(query, images.pixels[found.places], found, names, title=title),
        to_json=lambda: report.near_json(found, images.names, images.labels, classes),
        to_arrays=lambda: {
            "places": found.places,
            "cosines": found.cosines,
            "labels": images.labels,
            "features": embedded.features,
        },
    )


def _nearest(specimen: Specimen, embedded: Embedded, near: ImageLike, top: int) -> Neighbours:
    """The neighbours of an image, without the image itself where the set contains its file."""
    itself = Path(near).resolve() if isinstance(near, str | Path) else None
    names = embedded.images.names
    others = np.array([at for at, name in enumerate(names) if Path(name).resolve() != itself], np.int64)
    query = features(specimen.subject, [specimen.batch(near)])[0]
    found = neighbours(embedded.features[others], query, top)
    return replace(found, places=others[found.places])
