"""Compare: networks layer by layer, by how alike they represent the same images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubel.instruments.compare import Likeness, likeness
from hubel.instruments.stream import stream
from hubel.instruments.subject import features
from hubel.report.instruments import compare as report
from hubel.tasks.look.finding import Arrays, Finding
from hubel.tasks.look.images import Progress, Source, counted
from hubel.tasks.look.specimen import Specimen

if TYPE_CHECKING:
    from torch import Tensor

    from hubel.data.dataset import Images

_BATCH = 250


@dataclass(frozen=True, eq=False, repr=False)
class FoundLikeness(Finding):
    """How alike the layers of a network are to those of others: its `name`, and their `names`."""

    instrument = "compare"

    found: Sequence[Likeness]
    name: str
    names: Sequence[str]

    def draw(self, form: str) -> bytes:
        return report.likeness_figure(self.found, self.name, self.names)

    def json(self) -> str:
        return report.likeness_as_json(self.found, self.name, self.names)

    def named_arrays(self) -> Arrays:
        return {other: each.values for other, each in zip(self.names, self.found, strict=True)}

    def text(self) -> str:
        each = zip(self.found, self.names, strict=True)
        return "\n".join(report.likeness_as_text(found, self.name, other) for found, other in each)


def look_alike(
    specimens: Sequence[Specimen],
    source: Source,
    layers: Sequence[str],
    progress: Progress | None = None,
) -> Finding:
    """Compares the first network with each of the others, by all activations where no layers are named."""
    first, *others = specimens
    name, *names = _names(specimens)
    images = source.open(first).images
    done = counted(progress, "comparing", len(images) * len(others))
    found: list[Likeness] = []
    for at, other in enumerate(others):

        def count(extra: int, before: int = at * len(images)) -> None:
            if done is not None:
                done(before + extra)

        paths = tuple(tuple(layers) or features(each.subject) for each in (first, other))
        batches = _pairs(first, other, images)
        found.append(likeness(first.subject, other.subject, batches, (paths[0], paths[1]), progress=count))
    return FoundLikeness(found, name, names)


def _pairs(first: Specimen, second: Specimen, images: Images) -> Iterator[tuple[Tensor, Tensor]]:
    """The same images as two networks see them, shuffled so that every batch has images of all classes."""
    order = np.random.default_rng(0).permutation(len(images)).astype(np.intp)
    mixed = images.select(order)
    both = (stream(mixed, each.preprocessing, batch=_BATCH) for each in (first, second))
    yield from zip(*both, strict=True)


def _names(specimens: Sequence[Specimen]) -> list[str]:
    """What to call networks: the stems of their files; with the folder where two stems are the same."""
    names = [each.name for each in specimens]
    if len(set(names)) == len(names):
        return names
    return [f"{Path(each.where).parent.name}/{each.name}" for each in specimens]
