"""Topography: how positions in a map correspond to positions in the image."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.errors import UsageError
from hubel.instruments.subject import Subject, features
from hubel.instruments.topography import topography
from hubel.report.instruments import topography as report
from hubel.tasks.look.finding import PNG, Finding
from hubel.tasks.look.images import Progress, counted
from hubel.tasks.look.specimen import Specimen

_LAYERS = 4
"""How many layers the spot is followed through when none are named."""


def look_at_topography(
    specimen: Specimen, layers: Sequence[str], spot: int, progress: Progress | None = None
) -> Finding:
    """Follows a spot of light through the layers named or, without names, up to four of them."""
    subject = specimen.subject
    steps = sum(side - spot + 1 for side in subject.volume.plane)
    done = counted(progress, "moving a spot", steps)
    paths = layers or _some_layers(subject)
    found = topography(subject, paths, specimen.preprocessing.normalise, spot=spot, progress=done)
    return Finding(
        "topography",
        found,
        PNG,
        lambda _form: report.topography_figure(found),
        to_json=lambda: report.as_json(found),
        to_arrays=lambda: (
            {f"{each.path}.rows": each.rows.answers for each in found}
            | {f"{each.path}.columns": each.columns.answers for each in found}
        ),
        to_text=lambda: report.as_text(found),
    )


def _some_layers(subject: Subject) -> list[str]:
    """Up to four activations with more than one position per map, evenly from the first to the last."""
    paths = [path for path in features(subject) if max(subject.step(path).output.plane) > 1]
    if not paths:
        raise UsageError("no layer has more than one position per map; its units see the whole image")
    count = min(_LAYERS, len(paths))
    return [paths[round(at * (len(paths) - 1) / max(count - 1, 1))] for at in range(count)]
