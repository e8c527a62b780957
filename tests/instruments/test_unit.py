"""Units by name."""

from __future__ import annotations

import pytest

from hubel import conv, fc, maxpool, named, relu, trace
from hubel.errors import UsageError
from hubel.instruments.unit import Unit, expand

STEPS = trace(named("c1", conv(4, 3)) >> relu >> maxpool(2) >> named("head", fc(5) >> relu), "10x8x3")


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("c1", Unit("c1")),
        ("c1[3]", Unit("c1", 3)),
        (" c1[3, 7,5] ", Unit("c1", 3, 7, 5)),
        ("head.fc1[4,0,0]", Unit("head.fc1", 4, 0, 0)),
    ],
)
def test_a_unit_is_read_and_written(text: str, unit: Unit) -> None:
    assert Unit.parse(text, STEPS) == unit
    assert Unit.parse(str(unit), STEPS) == unit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c2", "no layer 'c2'; did you mean c1?"),
        ("c1[4]", r"c1 is 8x6x4: its maps are 0 to 3, not 4"),
        ("c1[0,8,0]", "its rows are 0 to 7, not 8"),
        ("c1[0,0,6]", "its columns are 0 to 5, not 6"),
        ("c1[1,2]", "is no unit"),
        ("c1[-1]", "is no unit"),
        ("", "is no unit"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Unit.parse(text, STEPS)


def test_a_layer_stands_for_its_first_maps() -> None:
    units = [Unit("c1"), Unit("head", 3)]
    assert expand(units, STEPS, 2) == [Unit("c1", 0), Unit("c1", 1), Unit("head", 3)]
    assert len(expand(units, STEPS)) == 5
