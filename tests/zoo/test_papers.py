"""Every number of tests/papers against the ledger's."""

from __future__ import annotations

import pytest

from hubel import zoo
from hubel.net.memory import backward_bytes
from hubel.net.trace import at_inference
from hubel.net.volume import Volume
from tests.zoo.papers import FACTS, PAGES, having, measured, page


@pytest.mark.parametrize("name", PAGES)
def test_every_page_names_its_sources(name: str) -> None:
    assert len(page(name)["source"]) > 50


def test_every_network_is_in_a_paper() -> None:
    assert {text.partition("(")[0] for text in FACTS} == set(zoo.ZOO)


@pytest.mark.parametrize("text", FACTS)
def test_input_parameters_and_macs(text: str) -> None:
    facts, ledger = FACTS[text], measured(text)
    assert str(ledger.volume) == facts["input"]
    assert ledger.totals.params == facts["params"]
    assert ledger.totals.macs == facts["macs"]


@pytest.mark.parametrize("text", having("rows"))
def test_every_row(text: str) -> None:
    facts, ledger = FACTS[text]["rows"], measured(text)
    rows = {row.path: [str(row.output), row.params, row.macs] for row in ledger.rows}
    assert {path: rows.get(path) for path in facts} == facts
    costly = {row.path for row in ledger.rows if row.macs}
    assert costly <= set(facts), "a row with MACs that the paper's count does not know"


@pytest.mark.parametrize("text", having("fields"))
def test_receptive_fields(text: str) -> None:
    rows = {row.path: row for row in measured(text).rows}
    for path, (size, jump) in FACTS[text]["fields"].items():
        assert (rows[path].field.size, rows[path].field.jump) == ((size, size), (jump, jump)), path


@pytest.mark.parametrize("text", having("millions"))
def test_the_parameters_printed_in_millions(text: str) -> None:
    printed = str(FACTS[text]["millions"])
    decimals = len(printed.partition(".")[2])
    assert f"{measured(text).totals.params / 1e6:.{decimals}f}" == printed


@pytest.mark.parametrize("text", having("billions"))
def test_the_multiply_adds_printed_in_billions(text: str) -> None:
    """The paper's table rounds some and truncates others: 3.66 is 3.6 there, 7.57 is 7.6."""
    assert measured(text).totals.macs / 1e9 == pytest.approx(FACTS[text]["billions"], abs=0.1)


@pytest.mark.parametrize(
    "fact", ["side_params", "side_macs", "flow_values", "backward_bytes", "inference_peak_bytes"]
)
def test_known_totals(fact: str) -> None:
    known = {text: FACTS[text][fact] for text in having(fact)}
    assert known
    assert {text: getattr(measured(text).totals, fact) for text in known} == known


def test_bytes_saved_for_backward_without_side_heads() -> None:
    (text,) = having("backward_bytes_without_sides")
    steps = at_inference(measured(text).steps)
    assert backward_bytes(steps) == FACTS[text]["backward_bytes_without_sides"]


@pytest.mark.parametrize("text", having("smallest"))
def test_smallest_input(text: str) -> None:
    side = FACTS[text]["smallest"]
    assert zoo.smallest_input(zoo.find(text)[0], 3) == Volume(side, side, 3)


@pytest.mark.parametrize("name", ["resnet_imagenet", "resnet_cifar"])
def test_every_stage_of_the_residual_networks_has_the_size_of_its_table(name: str) -> None:
    for text in page(name)["networks"]:
        ends = {row.path.partition(".")[0]: row.output for row in measured(text).rows}
        sizes = {part: f"{volume.height}x{volume.width}" for part, volume in ends.items()}
        stages = page(name)["stages"]
        assert {stage: sizes[stage] for stage in stages} == stages, text
