"""Values that show themselves in a notebook ask the report for their HTML."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

import hubel
from hubel.net.activations import Relu
from hubel.net.ledger import ledger
from hubel.net.names import conv, relu
from hubel.report import notebook
from hubel.shown import Shown

OFFERED: list[str] = vars(hubel)["__all__"]


def test_every_class_that_is_shown_has_a_page() -> None:
    for name in OFFERED:
        getattr(hubel, name)  # imports every room that holds such a class
    classes = {kind.__name__ for kind in Shown.__subclasses__() if kind.__module__.startswith("hubel.")}
    assert {"Net", "Run", "ModelEvaluation"} <= classes
    assert classes == set(notebook._PAGES)


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
