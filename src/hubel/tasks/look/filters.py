"""Filters: the weights of a layer, or what drives them, found in a data set."""

from __future__ import annotations

from hubel.instruments.filters import Filters, filters
from hubel.instruments.stimuli import Stimuli, stimuli
from hubel.net.trace import INPUT
from hubel.report.instruments import filters as report
from hubel.tasks.look.finding import DRAWING, Arrays, Finding
from hubel.tasks.look.images import Progress, Source, counted
from hubel.tasks.look.specimen import Specimen, at_least_one


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

    def draw(form: str) -> bytes:
        if driven is None or found.source == INPUT:
            return report.image(found, form)
        return report.driven_image(driven, subject.volume, form)

    return Finding(
        "filters",
        found if driven is None else driven,
        DRAWING,
        draw,
        to_json=lambda: report.as_json(found, driven),
        to_arrays=lambda: _arrays(found),
        to_text=lambda: report.as_text(found),
    )


def _arrays(found: Filters) -> Arrays:
    names = ("weights", "sees", "norm", "mean", "std", "energy", "sparsity")
    return {name: getattr(found, name) for name in names}
