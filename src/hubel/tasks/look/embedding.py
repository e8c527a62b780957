"""Embedding: the images of a set laid out by their features, or those most like one image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from hubel.data.arrays import Bytes
from hubel.data.feed.decoded import Decoded, decode
from hubel.data.image.objects import ImageLike
from hubel.instruments.embedding import Neighbours, features, neighbours, place
from hubel.instruments.stream import BATCH
from hubel.report.instruments import embedding as report
from hubel.tasks.look.finding import Arrays, Finding
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


@dataclass(frozen=True, eq=False, repr=False)
class FoundPlane(Finding):
    """Where images lie in the plane: points, n x 2."""

    instrument = "embedding"

    found: Floats
    embedded: Embedded
    title: str

    def draw(self, form: str) -> bytes:
        images = self.embedded.images
        return report.map_figure(
            self.found, images.pixels, images.labels, self.embedded.classes, title=self.title
        )

    def json(self) -> str:
        images = self.embedded.images
        return report.map_json(self.found, images.names, images.labels, self.embedded.classes)

    def named_arrays(self) -> Arrays:
        labels, features = self.embedded.images.labels, self.embedded.features
        return {"points": self.found, "labels": labels, "features": features}


@dataclass(frozen=True, eq=False, repr=False)
class FoundNeighbours(Finding):
    """The images most like the image `query`, and the `names` of their classes."""

    instrument = "embedding"

    found: Neighbours
    embedded: Embedded
    query: Bytes
    names: Sequence[str]
    title: str

    def draw(self, form: str) -> bytes:
        pixels = self.embedded.images.pixels[self.found.places]
        return report.strip_figure(self.query, pixels, self.found, self.names, title=self.title)

    def json(self) -> str:
        images = self.embedded.images
        return report.near_json(self.found, images.names, images.labels, self.embedded.classes)

    def named_arrays(self) -> Arrays:
        return {
            "places": self.found.places,
            "cosines": self.found.cosines,
            "labels": self.embedded.images.labels,
            "features": self.embedded.features,
        }


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
    points = place(embedded.features, method, seed=seed)
    count, size = embedded.features.shape
    title = f"{count:,} images by {size:,} features, {TITLES[method]}"
    return FoundPlane(points, embedded, title)


def look_at_neighbours(specimen: Specimen, embedded: Embedded, near: ImageLike, top: int) -> Finding:
    """Finds the images most like one image."""
    images, classes = embedded.images, embedded.classes
    found = _nearest(specimen, embedded, near, top)
    query = specimen.pixels(near)
    names = [classes[images.labels[at]] for at in found.places]
    title = Path(near).name if isinstance(near, str | Path) else "image"
    return FoundNeighbours(found, embedded, query, names, title)


def _nearest(specimen: Specimen, embedded: Embedded, near: ImageLike, top: int) -> Neighbours:
    """The neighbours of an image, without the image itself where the set contains its file."""
    itself = Path(near).resolve() if isinstance(near, str | Path) else None
    names = embedded.images.names
    others = np.array([at for at, name in enumerate(names) if Path(name).resolve() != itself], np.int64)
    query = features(specimen.subject, [specimen.batch(near)])[0]
    found = neighbours(embedded.features[others], query, top)
    return replace(found, places=others[found.places])
