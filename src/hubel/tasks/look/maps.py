"""Maps: what each layer makes of one image."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.data.image.objects import ImageLike
from hubel.instruments.maps import maps, passing, seen_paths
from hubel.report.instruments import maps as report
from hubel.tasks.look.finding import DRAWING, Finding
from hubel.tasks.look.specimen import Specimen, at_least_one


def look_at_maps(
    specimen: Specimen, image: ImageLike, layers: str | Sequence[str] | None, columns: int
) -> Finding:
    """Finds the maps of `layers`, or those of a forward pass of at most `columns` layers."""
    at_least_one("columns", columns)
    subject, pixels = specimen.subject, specimen.pixels(image)
    if layers is None:
        paths = passing(subject, columns)
    elif isinstance(layers, str) and layers.strip() == "all":
        paths = seen_paths(subject)
    else:
        names = layers.split(",") if isinstance(layers, str) else layers
        paths = tuple(name.strip() for name in names)
    found = maps(subject, specimen.seen(image), paths)

    def draw(form: str) -> bytes:
        if layers is None:
            return report.forward(found, pixels, specimen.classes, form, layers=len(subject.steps))
        return report.panels(found, pixels, form)

    return Finding(
        "maps",
        found,
        DRAWING,
        draw,
        to_json=lambda: report.as_json(found, specimen.classes, values=layers is not None),
        to_arrays=lambda: (
            {layer.path: layer.values for layer in found.layers}
            | {"scores": found.scores, "probabilities": found.probabilities}
        ),
    )
