"""Filters: the weights of a layer, or what drives them, found in a data set."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.instruments.filters import Filters, filters
from hubel.instruments.stimuli import Stimuli, stimuli
from hubel.net.trace import INPUT
from hubel.net.volume import Volume
from hubel.report.instruments import filters as report
from hubel.tasks.look.finding import DRAWING, Arrays, Finding
from hubel.tasks.look.images import Progress, Source, counted
from hubel.tasks.look.specimen import Specimen, at_least_one


@dataclass(frozen=True, eq=False, repr=False)
class FoundFilters(Finding):
    """The filters of a layer; with a set of images `driven`, what drives them in the input `volume`."""

    instrument = "filters"
    forms = DRAWING

    found: Filters
    driven: Stimuli | None
    volume: Volume

    def draw(self, form: str) -> bytes:
        if self.driven is None or self.found.source == INPUT:
            return report.image(self.found, form)
        return report.driven_image(self.driven, self.volume, form)

    def json(self) -> str:
        return report.as_json(self.found, self.driven)

    def named_arrays(self) -> Arrays:
        names = ("weights", "sees", "norm", "mean", "std", "energy", "sparsity")
        return {name: getattr(self.found, name) for name in names}

    def text(self) -> str:
        return report.as_text(self.found)


def look_at_filters(
    specimen: Specimen,
    layer: str | None,
    source: Source | None,
    *,
    maps: int,
    alike: float,
    progress: Progress | None = None,
) -> Finding:
    """Finds a layer's filters and, where there is a source of images, what drives `maps` of them."""
    at_least_one("maps", maps)
    subject = specimen.subject
    found = filters(subject, layer, alike=alike)
    driven: Stimuli | None = None
    if source is not None:
        images = source.open(specimen).images
        done = counted(progress, "looking at images", len(images))
        driven = stimuli(subject, found, images, specimen.preprocessing, most=maps, progress=done)
        found = driven.filters

    return FoundFilters(found, driven, subject.volume)
