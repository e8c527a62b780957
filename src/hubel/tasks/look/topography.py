"""Topography: how positions in a map correspond to positions in the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubel.errors import UsageError
from hubel.instruments.subject import Subject, features
from hubel.instruments.topography import Topography, topography
from hubel.report.instruments import topography as report
from hubel.tasks.look.finding import Arrays, Finding
from hubel.tasks.look.images import Progress, counted
from hubel.tasks.look.specimen import Specimen

_LAYERS = 4
"""How many layers the spot is followed through when none are named."""


@dataclass(frozen=True, eq=False, repr=False)
class FoundTopography(Finding):
    """Which positions of maps respond to a spot of light at each position of the image."""

    instrument = "topography"

    found: Sequence[Topography]

    def draw(self, form: str) -> bytes:
        return report.topography_figure(self.found)

    def json(self) -> str:
        return report.as_json(self.found)

    def named_arrays(self) -> Arrays:
        rows = {f"{each.path}.rows": each.rows.answers for each in self.found}
        return rows | {f"{each.path}.columns": each.columns.answers for each in self.found}

    def text(self) -> str:
        return report.as_text(self.found)


def look_at_topography(
    specimen: Specimen, layers: Sequence[str], spot: int, progress: Progress | None = None
) -> Finding:
    """Follows a spot of light through the layers named or, without names, up to four of them."""
    subject = specimen.subject
    steps = sum(side - spot + 1 for side in subject.volume.plane)
    done = counted(progress, "moving a spot", steps)
    paths = layers or _some_layers(subject)
    found = topography(subject, paths, specimen.preprocessing.normalise, spot=spot, progress=done)
    return FoundTopography(found)


def _some_layers(subject: Subject) -> list[str]:
    """Up to four activations with more than one position per map, evenly from the first to the last."""
    paths = [path for path in features(subject) if max(subject.step(path).output.plane) > 1]
    if not paths:
        raise UsageError("no layer has more than one position per map; its units see the whole image")
    count = min(_LAYERS, len(paths))
    return [paths[round(at * (len(paths) - 1) / max(count - 1, 1))] for at in range(count)]
