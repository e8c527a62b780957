"""`table`: every layer of a network, its size and its costs, before any tensor exists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubel.net.algebra import Net
from hubel.net.ledger import Ledger
from hubel.net.trace import UnfitError, UnreadError
from hubel.report import table as report
from hubel.report.styled import Styled, terminal_width
from hubel.tasks.network import NetLike, given
from hubel.tasks.printed import Printed

if TYPE_CHECKING:
    from hubel.net.volume import VolumeLike

PAGE = 160
"""The width of a table in a file or a pipe, in characters."""


@dataclass(frozen=True, slots=True, repr=False)
class Table(Printed):
    """The table of a network: `print` shows the text, a notebook an HTML table.

    `network` is its notation, or the name of a module; `ledger` has the numbers. `columns` are those that
    were asked for; without, each form of the table has its own.
    """

    network: str
    ledger: Ledger
    columns: tuple[str, ...] = ()

    def text(self, width: int | None = None) -> Styled:
        """The rows, the totals, what rounding drops and the memory, folded to `width` characters."""
        return report.as_text(self.ledger, width or terminal_width(PAGE), self.columns or report.DEFAULT)

    def markdown(self) -> str:
        """The table in Markdown; the memory follows as a list."""
        return report.as_markdown(self.ledger, self.columns or report.DEFAULT)

    def csv(self) -> str:
        """The rows as comma-separated values: plain numbers, headings first, all columns by default."""
        return report.as_csv(self.ledger, self.columns or tuple(report.COLUMNS))

    def json(self) -> str:
        """The rows and totals as JSON, every column of them."""
        return report.as_json(self.ledger, self.network)

    def __repr__(self) -> str:
        return f"<Table of {len(self.ledger.rows)} layers on {self.ledger.volume}; print it>"

    def _repr_html_(self) -> str:
        return report.as_html(self.ledger, self.columns or report.DEFAULT)


def table(
    net: NetLike,
    volume: VolumeLike | None = None,
    *,
    strict: bool = False,
    columns: str | Sequence[str] | None = None,
    output: str | None = None,
) -> Table:
    """The table of a network: each layer's size, parameters, MACs and receptive field, totals and memory.

    `net` is a network, a torch module, a model, or a text as on the command line. `volume` is the input,
    height x width x depth; by default the network's own. `strict` refuses windows that leave part of their
    input unused. `columns` are names or headings of columns, a list or one text with commas; or `all`.
    Of a module that returns several results, `output` is the key or the number of the one to take.
    Of a module that returns several results, `output` names the one that is its scores: a key, or a number.

    Raises SizeError: the network does not fit; `rows_before` shows how far it gets.
    Raises UsageError: no such column, or no volume.
    """
    chosen = _chosen(columns)
    found = given(net, volume)
    name = repr(found.net) if isinstance(found.net, Net) else found.name
    return Table(name, found.ledger(strict=strict, output=output), chosen)


def rows_before(error: UnfitError | UnreadError, columns: str | Sequence[str] | None = None) -> Styled:
    """The rows of a network up to the layer that does not fit, without totals; `error` says which layer."""
    broken = Ledger.of(error.steps[0].inputs[0], error.steps)
    return report.rows_as_text(broken, terminal_width(PAGE), _chosen(columns) or report.DEFAULT)


def _chosen(columns: str | Sequence[str] | None) -> tuple[str, ...]:
    """The columns that were asked for. Raises UsageError: there is no such column."""
    names = columns.split(",") if isinstance(columns, str) else columns
    return report.check_columns([str(name).strip() for name in names]) if names else ()
