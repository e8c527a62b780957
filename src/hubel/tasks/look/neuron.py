"""Neuron: the arithmetic of one unit for one image."""

from __future__ import annotations

from hubel.data.image.objects import ImageLike
from hubel.instruments.neuron import Neuron, neuron
from hubel.instruments.unit import Unit
from hubel.report.instruments import neuron as report
from hubel.tasks.look.finding import TEXT, Arrays, Finding
from hubel.tasks.look.specimen import Specimen


def look_at_neuron(specimen: Specimen, unit: str, image: ImageLike) -> Finding:
    """Computes one unit again, number by number."""
    chosen = Unit.parse(unit, specimen.subject.steps)
    found = neuron(specimen.subject, specimen.seen(image), chosen)
    return Finding(
        "neuron",
        found,
        TEXT,
        lambda _form: report.as_text(found).encode(),
        to_json=lambda: report.as_json(found),
        to_arrays=lambda: _arrays(found),
        to_text=lambda: report.as_text(found),
    )


def _arrays(found: Neuron) -> Arrays:
    every = {
        f"{taken.source}.{name}": getattr(taken, name)
        for taken in found.taken
        for name in ("values", "weights", "products")
    }
    return {name: values for name, values in every.items() if values is not None}
