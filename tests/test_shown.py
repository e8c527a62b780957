"""Values that show themselves in a notebook ask the report for their HTML."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from hubel.net.layers import Relu
from hubel.net.ledger import ledger
from hubel.net.names import conv, relu
from hubel.shown import Shown


@pytest.mark.parametrize("value", [relu, conv(2, 3) >> relu, ledger(conv(2, 3) >> relu, "8x8x1")], ids=repr)
def test_a_notebook_gets_what_the_report_makes_of_the_value(
    value: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = SimpleNamespace(html=lambda shown: f"<b>{shown!r}</b>")
    monkeypatch.setitem(sys.modules, "hubel.report.notebook", report)
    assert value._repr_html_() == f"<b>{value!r}</b>"


@pytest.mark.parametrize("value", [Relu(), conv(2, 3) >> relu, ledger(relu, "8x8x1")], ids=repr)
def test_it_takes_no_room_in_the_value(value: Shown) -> None:
    assert not hasattr(value, "__dict__")
