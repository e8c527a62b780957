"""What networks are compared by: depth, what they cost, where it sits, and what was published.

Side heads are counted apart: papers leave them out of a network's depth and size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubel.net.algebra import Net
from hubel.net.depth import depth
from hubel.net.field import Field
from hubel.net.layers import Fc
from hubel.net.ledger import Ledger, Row
from hubel.net.sliding import Conv
from hubel.zoo import ZOO, Entry

if TYPE_CHECKING:
    from torch import nn

MOST = 3
"""How many of the largest parts are named."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a network, a stage or a layer, and its share of the whole."""

    part: str
    share: float


@dataclass(frozen=True, slots=True)
class Facts:
    """A network's numbers for a comparison, without its side heads unless a name says `side`.

    `field` is what a unit of the last convolution sees, None without convolutions. `entry` is the
    zoo's where this very network stands in it, with its published classes and options; `published`
    the same where the input is the published one too.
    """

    name: str
    ledger: Ledger
    depth: int
    params: int
    macs: int
    fc_params: int
    field: Field | None
    most_params: tuple[Share, ...]
    most_values: tuple[Share, ...]
    entry: Entry | None

    @classmethod
    def of(cls, name: str, net: Net | nn.Module, table: Ledger) -> Facts:
        """Reads them off the ledger of a network or a module."""
        rows = [row for row in table.rows if not row.side]
        convs = [row.field for row in rows if isinstance(row.layer, Conv)]
        return cls(
            name=name,
            ledger=table,
            depth=depth(table.steps),
            params=sum(row.params for row in rows),
            macs=sum(row.macs for row in rows),
            fc_params=sum(row.params for row in rows if isinstance(row.layer, Fc)),
            field=max(convs, key=lambda field: field.size, default=None),
            most_params=_largest((row, row.params) for row in rows),
            most_values=_largest((row, row.values) for row in rows),
            entry=next((entry for entry in ZOO.values() if entry.make() == net), None),
        )

    @property
    def published(self) -> Entry | None:
        """The entry of the zoo, where its published errors are this network's on this input."""
        return self.entry if self.entry and self.entry.input == self.ledger.volume else None

    @property
    def fc_share(self) -> float:
        """The share of the parameters that fully connected layers have, 0 to 1."""
        return self.fc_params / self.params if self.params else 0.0


def _largest(amounts: Iterable[tuple[Row, int]]) -> tuple[Share, ...]:
    """The parts with the most, a part being what stands before the first dot of a path."""
    sums: Counter[str] = Counter()
    for row, amount in amounts:
        sums[row.path.partition(".")[0]] += amount
    return tuple(Share(part, amount / sums.total()) for part, amount in sums.most_common(MOST) if amount)
