"""`diff`: the layers in which two networks differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubel.net.ledger import Ledger
from hubel.report.diff import text as report
from hubel.report.diff.changes import Change, changes
from hubel.report.styled import Styled
from hubel.tasks.network import NetLike, given
from hubel.tasks.printed import Printed

if TYPE_CHECKING:
    from hubel.net.volume import VolumeLike


@dataclass(frozen=True, slots=True, repr=False)
class Difference(Printed):
    """How two networks differ: `changes` are the layers, none if both compute the same."""

    names: tuple[str, str]
    before: Ledger
    after: Ledger
    changes: tuple[Change, ...]

    def text(self, width: int | None = None) -> Styled:
        """The layers that differ, then the totals of both networks."""
        return report.as_text(self.names, self.before, self.after, self.changes)

    def json(self) -> str:
        """The difference as a JSON object; no layer is folded or left out."""
        return report.as_json(self.names, self.before, self.after, self.changes)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __repr__(self) -> str:
        return f"<Difference of {len(self.changes)} layers; print it>"


def diff(before: NetLike, after: NetLike, volume: VolumeLike | None = None) -> Difference:
    """The layers in which two networks differ; the result is false if there are none.

    `volume` is the input of both; by default each has its own. Raises SizeError: a network does not fit.
    """
    one, other = given(before, volume), given(after, volume)
    first, second = one.remarked(), other.remarked()
    return Difference((one.name, other.name), first, second, changes(first, second))
