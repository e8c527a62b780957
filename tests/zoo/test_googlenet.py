"""GoogLeNet: every row of its table 1, with the known misprints listed and shown to be misprints."""

from __future__ import annotations

import pytest

from hubel.zoo.pages.googlenet import TABLE_1
from tests.zoo.papers import measured, page

PAGE = page("googlenet")
ROUNDING = 0.025
"""The paper's parameters in K lie up to 2.5 % off those of its own filters."""


@pytest.mark.parametrize(("row", "parts", "size", "kilo", "mega"), PAGE["table_1"])
def test_a_row_of_table_1(row: str, parts: list[str], size: str, kilo: float, mega: float) -> None:
    rows = [found for found in measured("googlenet").rows if found.path.partition(".")[0] in parts]
    assert str(rows[-1].output) == size
    weights = sum(found.params for found in rows) / 1024
    macs = sum(found.macs for found in rows) / 1e6
    assert (weights == pytest.approx(kilo, rel=ROUNDING)) is (row not in PAGE["misprints"]["params"])
    assert (macs == pytest.approx(mega, abs=1)) is (row not in PAGE["misprints"]["ops"])


def test_the_modules_are_the_tables() -> None:
    assert [row for row, *_ in PAGE["table_1"] if row in TABLE_1] == list(TABLE_1)
    outputs = {row: int(size.split("x")[2]) for row, _, size, *_ in PAGE["table_1"]}
    for name, (ones, _, threes, _, fives, projection) in TABLE_1.items():
        assert ones + threes + fives + projection == outputs[name]


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_the_side_heads_are_on_4a_and_4d(name: str) -> None:
    steps = {step.path: step for step in measured(name).steps}
    assert steps["aux1.pool"].sources == ("inception_4a.concat1",)
    assert steps["aux2.pool"].sources == ("inception_4d.concat1",)
    assert str(steps["aux1.pool"].output) == "4x4x512"
    assert str(steps["aux2.pool"].output) == "4x4x528"
