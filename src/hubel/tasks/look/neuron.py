"""Neuron: the arithmetic of one unit for one image."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.data.image.objects import ImageLike
from hubel.instruments.neuron import Neuron, neuron
from hubel.instruments.unit import Unit
from hubel.report.instruments import neuron as report
from hubel.tasks.look.finding import TEXT, Arrays, Finding
from hubel.tasks.look.specimen import Specimen


@dataclass(frozen=True, eq=False, repr=False)
class FoundNeuron(Finding):
    """The arithmetic of one unit."""

    instrument = "neuron"
    forms = TEXT

    found: Neuron

    def draw(self, form: str) -> bytes:
        return self.text().encode()

    def json(self) -> str:
        return report.as_json(self.found)

    def named_arrays(self) -> Arrays:
        every = {
            f"{taken.source}.{name}": getattr(taken, name)
            for taken in self.found.taken
            for name in ("values", "weights", "products")
        }
        return {name: values for name, values in every.items() if values is not None}

    def text(self) -> str:
        return report.as_text(self.found)


def look_at_neuron(specimen: Specimen, unit: str, image: ImageLike) -> Finding:
    """Computes one unit again, number by number."""
    chosen = Unit.parse(unit, specimen.subject.steps)
    return FoundNeuron(neuron(specimen.subject, specimen.seen(image), chosen))
