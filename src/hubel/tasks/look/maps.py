"""Maps: what each layer makes of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubel.data.arrays import Bytes
from hubel.data.image.objects import ImageLike
from hubel.instruments.maps import Maps, maps, passing, seen_paths
from hubel.report.instruments import maps as report
from hubel.tasks.look.finding import DRAWING, Arrays, Finding
from hubel.tasks.look.specimen import Specimen, at_least_one


@dataclass(frozen=True, eq=False, repr=False)
class FoundMaps(Finding):
    """The maps of an image, of a network of so many `layers`; `whole` if they are a forward pass."""

    instrument = "maps"
    forms = DRAWING

    found: Maps
    pixels: Bytes
    classes: tuple[str, ...]
    layers: int
    whole: bool

    def draw(self, form: str) -> bytes:
        if self.whole:
            return report.forward(self.found, self.pixels, self.classes, form, layers=self.layers)
        return report.panels(self.found, self.pixels, form)

    def json(self) -> str:
        return report.as_json(self.found, self.classes, values=not self.whole)

    def named_arrays(self) -> Arrays:
        layers = {layer.path: layer.values for layer in self.found.layers}
        return layers | {"scores": self.found.scores, "probabilities": self.found.probabilities}


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

    return FoundMaps(found, pixels, specimen.classes, len(subject.steps), whole=layers is None)
