"""`draw`: a network as the papers draw it, volumes to scale and what turns one into the next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.files import write_whole
from hubel.report.form import image_form
from hubel.tasks.network import NetLike, given

if TYPE_CHECKING:
    from hubel.net.trace import Step
    from hubel.net.volume import VolumeLike


@dataclass(frozen=True, slots=True, repr=False)
class Drawing:
    """The drawing of a network; a notebook shows it."""

    steps: tuple[Step, ...]

    def image(self, form: str) -> bytes:
        """The drawing as `svg`, `png` or `pdf`."""
        from hubel.report.drawing.layout import layout
        from hubel.report.drawing.paint import draw as paint

        return paint(layout(self.steps), form)

    def save(self, path: str | Path) -> None:
        """Writes a .svg, .png or .pdf file. Raises UsageError: another suffix, or no such folder."""
        form = image_form(Path(path))
        write_whole(Path(path), self.image(form))

    def __repr__(self) -> str:
        return f"<Drawing of {len(self.steps)} layers; save it>"

    def _repr_svg_(self) -> str:
        return self.image("svg").decode()


def draw(net: NetLike, volume: VolumeLike | None = None, out: str | Path | None = None) -> Drawing:
    """Draws a network: volumes as boxes to scale, branches, skip connections and side heads.

    `volume` is the input; by default the network's own. `out` is the file to write, .svg, .png or .pdf.

    Raises SizeError: the network does not fit. Raises UsageError: `out` is no such file.
    """
    if out is not None:
        image_form(Path(out))  # an error here comes before any work
    drawing = Drawing(given(net, volume).remarked().steps)
    if out is not None:
        drawing.save(out)
    return drawing
