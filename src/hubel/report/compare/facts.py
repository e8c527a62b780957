"""The facts that are compared: depth, costs, the parts that cost most, and published errors.

Costs are those of the ledger, side heads included, as everywhere; depth and receptive field are those of the
network without them, as papers count.
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

    from hubel.model.header import Validated

MOST = 3
"""How many of the largest parts are listed."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a network, a stage or a layer, and its share of the whole, from 0 to 1."""

    part: str
    share: float


@dataclass(frozen=True, slots=True)
class Facts:
    """A network's numbers for a comparison.

    `field` is the receptive field of the last convolution, None where there is no convolution. `entry` is
    the network's entry in the zoo, if it is there with these classes and options; `published` is the same
    entry if the input is the published one too. `validated` says how a trained model did.
    """

    name: str
    ledger: Ledger
    depth: int
    fc_params: int
    field: Field | None
    most_params: tuple[Share, ...]
    most_values: tuple[Share, ...]
    entry: Entry | None
    validated: Validated | None = None

    @classmethod
    def of(cls, name: str, net: Net | nn.Module, table: Ledger, validated: Validated | None = None) -> Facts:
        """Reads the facts off the ledger of a network or a module."""
        rows = table.rows
        convs = [row.field for row in rows if isinstance(row.layer, Conv) and not row.side]
        return cls(
            name=name,
            ledger=table,
            depth=depth(table.steps),
            fc_params=sum(row.params for row in rows if isinstance(row.layer, Fc)),
            field=max(convs, key=lambda field: field.size, default=None),
            most_params=_largest((row, row.params) for row in rows),
            most_values=_largest((row, row.values) for row in rows),
            entry=next((entry for entry in ZOO.values() if entry.make() == net), None),
            validated=validated,
        )

    @property
    def params(self) -> int:
        """The number of parameters."""
        return self.ledger.totals.params

    @property
    def macs(self) -> int:
        """The MACs for one image."""
        return self.ledger.totals.macs

    @property
    def published(self) -> Entry | None:
        """The entry of the zoo, if its published errors are for this input."""
        return self.entry if self.entry and self.entry.input == self.ledger.volume else None

    @property
    def fc_share(self) -> float:
        """The share of the parameters in fully connected layers, from 0 to 1."""
        return self.fc_params / self.params if self.params else 0.0


def _largest(amounts: Iterable[tuple[Row, int]]) -> tuple[Share, ...]:
    """The parts with the largest amounts. A part is what precedes the first dot of a path."""
    sums: Counter[str] = Counter()
    for row, amount in amounts:
        sums[row.path.partition(".")[0]] += amount
    return tuple(Share(part, amount / sums.total()) for part, amount in sums.most_common(MOST) if amount)
