"""What holds for every network of the zoo."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from hubel import zoo
from hubel.net.ledger import ledger
from hubel.net.notation import parse
from hubel.net.trace import trace
from hubel.net.volume import Volume
from tests.zoo.papers import measured

every = pytest.mark.parametrize("name", zoo.ZOO)


@every
def test_it_is_imported_by_its_name_and_documented(name: str) -> None:
    make = zoo.ZOO[name].make
    assert getattr(zoo, name) is make
    assert make.__name__ == name
    assert name in vars(zoo)["__all__"]
    assert name in dir(zoo)
    assert inspect.getdoc(make)


@every
def test_it_is_read_back_from_its_notation(name: str) -> None:
    net = zoo.ZOO[name].make()
    assert parse(repr(net)) == net
    assert net == zoo.ZOO[name].make()


@every
def test_totals_are_the_sums_of_their_columns(name: str) -> None:
    found = measured(name)
    assert found.totals.params == sum(row.params for row in found.rows)
    assert found.totals.macs == sum(row.macs for row in found.rows)
    assert found.totals.values == sum(row.values for row in found.rows)
    assert found.totals.flow_values == found.totals.values + found.volume.values


@every
def test_it_takes_classes(name: str) -> None:
    entry = zoo.ZOO[name]
    steps = trace(entry.make(classes=7), entry.input)
    ends = [step.output for step in steps if not step.side][-1:]
    ends += [step.output for step in steps if step.path == step.side]
    assert set(ends) == {Volume(1, 1, 7)}


@every
def test_it_takes_a_larger_rectangular_input(name: str) -> None:
    entry = zoo.ZOO[name]
    larger = Volume(entry.input.height + 33, entry.input.width + 50, entry.input.depth)
    assert ledger(entry.make(), larger).rows[-1].output.plane == (1, 1)


@every
def test_published_errors_have_a_source(name: str) -> None:
    entry = zoo.ZOO[name]
    published = entry.top1_error is not None or entry.top5_error is not None
    assert entry.result
    assert bool(entry.source) == published
    assert all(0 < error < 50 for error in (entry.top1_error, entry.top5_error) if error is not None)


def test_the_deepest_notation_is_about_two_thousand_characters() -> None:
    assert len(repr(zoo.resnet50())) < 2_000
    assert len(repr(zoo.resnet152())) < 2_000


def test_a_network_imports_its_own_page_alone() -> None:
    code = "import sys, hubel.zoo; hubel.zoo.lenet5(); print(*(m for m in sys.modules if 'zoo.pages.' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hubel.zoo.pages.lenet"]


def test_a_name_that_is_not_there_gets_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'resnet19'; did you mean resnet1\d\?"):
        getattr(zoo, "resnet19")  # noqa: B009 - mypy knows that it is not there
