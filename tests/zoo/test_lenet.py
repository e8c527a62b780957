"""LeNet-5 of 1998: its connections, counted as the paper does, and the table of C3."""

from __future__ import annotations

from hubel.net.layers import Fc
from hubel.net.ledger import Row
from hubel.net.sliding import Conv, Subsample
from hubel.zoo.pages.lenet import C3_TABLE
from tests.zoo.papers import measured, page


def connections(row: Row) -> int:
    """The connections of a layer: every multiplication, and every addition of a bias."""
    match row.layer:
        case Conv() | Fc():
            return row.macs + row.output.values
        case Subsample():
            return (row.layer.window(row.input).area + 1) * row.output.values
    return row.macs


def test_the_connections_are_the_papers() -> None:
    printed = page("lenet")["connections"]
    counted = {row.path: connections(row) for row in measured("lenet5_1998").rows if row.path in printed}
    assert counted | {"total": sum(counted.values())} == printed


def test_the_links_of_c3_are_the_papers() -> None:
    assert [list(maps) for maps in C3_TABLE] == page("lenet")["C3_table"]
