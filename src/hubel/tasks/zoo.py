"""`zoo`: the networks that have names."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.report import zoo as report
from hubel.report.styled import Styled
from hubel.tasks.printed import Printed


@dataclass(frozen=True, slots=True, repr=False)
class Overview(Printed):
    """The networks of the zoo, counted: `lines` has one entry for each."""

    lines: tuple[report.Line, ...]

    def text(self, width: int | None = None) -> Styled:
        """The table by paper and data set, 100 characters wide, and how the errors were measured."""
        return report.as_text(self.lines)

    def json(self) -> str:
        """The networks as a JSON list; errors in percent, null where none was published."""
        return report.as_json(self.lines)

    def __repr__(self) -> str:
        return f"<Overview of {len(self.lines)} networks; print it>"


def zoo() -> Overview:
    """The networks of the zoo: year, depth, parameters, MACs, input and published errors."""
    return Overview(report.catalogue())
