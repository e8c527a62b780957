"""`compare`: networks side by side, in a table or as a figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.errors import UsageError
from hubel.files import write_whole
from hubel.report.compare import text as report
from hubel.report.compare.facts import Facts
from hubel.report.form import image_form
from hubel.report.styled import Styled, terminal_width
from hubel.tasks.network import NetLike, given
from hubel.tasks.printed import Printed

if TYPE_CHECKING:
    from hubel.net.volume import VolumeLike

PAGE = 100
"""The width of a comparison in a file or a pipe, in characters."""


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Printed):
    """Networks side by side: `facts` has the numbers of each."""

    facts: tuple[Facts, ...]

    def text(self, width: int | None = None) -> Styled:
        """A column for each network, in blocks that fit `width` characters, and what was published."""
        return report.as_text(self.facts, width or terminal_width(PAGE))

    def json(self) -> str:
        """The networks as a JSON list: whole numbers, shares from 0 to 1, errors in percent or null."""
        return report.as_json(self.facts)

    def plot(self, path: str | Path) -> None:
        """Draws accuracy against MACs, and ImageNet's history, to a .svg, .png or .pdf file.

        Raises UsageError: another suffix, no such folder, or no network with a published top-1 error.
        """
        from hubel.report.compare.plot import plot

        form = image_form(Path(path))
        write_whole(Path(path), plot(self.facts, form))

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(report.headings(self.facts))}; print it>"


def compare(*nets: NetLike, volume: VolumeLike | None = None) -> Comparison:
    """Compares two or more networks: parameters, MACs, memory, depth, receptive field, published errors.

    Of trained models also the accuracy on their validation images, which are the same where their data, seed
    and share are.
    `volume` is the input of all of them; by default each has its own. Raises UsageError: fewer than two
    networks. Raises SizeError: one does not fit.
    """
    if len(nets) < 2:
        raise UsageError("a comparison takes two networks or more; `table` is for one")
    found = [given(net, volume) for net in nets]
    return Comparison(
        tuple(Facts.of(_short(each.name), each.net, each.remarked(), each.validated) for each in found)
    )


def _short(name: str) -> str:
    """A model's file is called by its stem."""
    return Path(name).stem if name.endswith(".safetensors") else name
