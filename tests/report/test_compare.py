"""Networks side by side: the numbers, the published errors, and the figure."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from hubel import zoo
from hubel.errors import UsageError
from hubel.model.header import Validated
from hubel.net.algebra import Net
from hubel.net.ledger import ledger
from hubel.net.names import conv, fc, maxpool, relu
from hubel.net.notation import parse
from hubel.net.volume import Volume
from hubel.report.compare.facts import Facts
from hubel.report.compare.plot import plot, published
from hubel.report.compare.text import as_data, as_json, as_text
from hubel.report.zoo import catalogue
from hubel.tasks.network import build
from hubel.zoo.history import HISTORY, HUMAN


def facts_of(name: str, net: Net, volume: Volume) -> Facts:
    return Facts.of(name, net, ledger(net, volume))


def facts(text: str, volume: str | None = None) -> Facts:
    return facts_of(text, *zoo.at(text, volume))


SMALL = facts_of("small", conv(4, 3) >> relu >> maxpool(2) >> fc(10), Volume(8, 8, 1))


def test_by_hand() -> None:
    """conv: 4·9 weights and 4 biases on 6x6 places; pool 3x3x4; fc: 36·10 weights and 10 biases."""
    assert (SMALL.depth, SMALL.params, SMALL.macs) == (2, 40 + 370, 36 * 36 + 360)
    assert SMALL.fc_share == pytest.approx(370 / 410)
    assert SMALL.field is not None
    assert SMALL.field.size == (3, 3)
    values = {share.part: share.share for share in SMALL.most_values}
    assert values == pytest.approx({"conv1": 144 / 190, "maxpool1": 36 / 190, "fc1": 10 / 190})
    assert [share.part for share in SMALL.most_params] == ["fc1", "conv1"]


def test_trained_models_have_their_counts_and_intervals() -> None:
    """The interval of 81 of 100 is 72.22 to 87.49 %, the roots of the score test's quadratic."""
    trained = replace(SMALL, validated=Validated(81, 100, 10))
    lines = [" ".join(line.split()) for line in str(as_text([trained, SMALL], 100)).splitlines()]
    start = lines.index("validation accuracy 81.00 % -")
    assert lines[start + 1 : start + 4] == [
        "images 81 of 100 -",
        "95 % interval 72.22 to 87.49 % -",
        "chance, 1 / classes 10.00 % -",
    ]
    found = as_data(trained)["validated"]
    assert found.pop("interval") == pytest.approx((0.7222, 0.8749), abs=5e-5)
    assert found == {"correct": 81, "images": 100, "top1": 0.81, "chance": 0.1}
    assert as_data(SMALL)["validated"] is None
    assert "accuracy" not in str(as_text([SMALL, SMALL], 100))


def test_vgg16_has_its_parameters_late_and_its_activations_early() -> None:
    """The lecture's two remarks on VGG-16; fc6 holds 102,764,544 of its 138,357,544 parameters."""
    found = facts("vgg16")
    assert found.fc_params == 123_642_856
    assert found.most_params[0].part == "fc6"
    assert found.most_params[0].share == pytest.approx(102_764_544 / 138_357_544)
    assert [share.part for share in found.most_values[:2]] == ["conv1_1", "conv1_2"]


def test_stages_are_parts_and_side_heads_are_separate() -> None:
    assert [share.part for share in facts("resnet50").most_params[:2]] == ["conv5_x", "conv4_x"]
    googlenet = facts("googlenet")
    assert googlenet.params - googlenet.ledger.totals.side_params == 6_998_552
    assert googlenet.field is not None
    assert googlenet.depth == 22


def test_a_network_without_convolutions_or_parameters() -> None:
    found = facts_of("pool", maxpool(2), Volume(4, 4, 1))
    assert (found.field, found.fc_share, found.most_params, found.depth) == (None, 0, (), 0)
    assert "last convolution sees" in str(as_text([found, SMALL], 100))


class TestPublished:
    def test_a_network_of_the_zoo_is_found_by_value(self) -> None:
        found = facts_of("x", parse(repr(zoo.vgg16())), Volume(224, 224, 3))
        assert found.published is zoo.ZOO["vgg16"]

    @pytest.mark.parametrize("text", ["vgg16(classes=10)", 'resnet34(shortcut="A")'])
    def test_a_network_with_other_options_has_none(self, text: str) -> None:
        assert facts(text).published is None
        assert as_data(facts(text))["published"] is None

    def test_another_input_has_none_and_says_so(self) -> None:
        found = facts("resnet18", "64x64x3")
        assert found.entry is not None
        assert found.published is None
        assert "the published errors are for 224x224x3, not for 64x64x3" in str(as_text([found], 100))

    def test_a_network_outside_the_zoo_says_so(self) -> None:
        text = str(as_text([SMALL, facts("vgg16")], 100))
        assert "small: not a network of the zoo, so no published errors" in text
        row = next(line for line in text.splitlines() if line.startswith("published top-1"))
        assert row.split()[-2:] == ["-", "25.6"]


class TestText:
    def test_it_fits_and_breaks_into_blocks(self) -> None:
        found = [facts(name) for name in ("alexnet", "vgg16", "googlenet", "resnet50", "resnet152")]
        table = str(as_text(found, 100)).partition("\nalexnet:")[0].splitlines()
        assert max(map(len, table)) <= 100
        assert sum(line.startswith("input ") for line in table) == 2
        assert sum(line.startswith("input ") for line in str(as_text(found, 300)).splitlines()) == 1

    def test_numbers_are_whole(self) -> None:
        text = str(as_text([facts("alexnet"), facts("vgg16")], 100))
        for number in ("60,965,224", "138,357,544", "15,470,264,320", "15,237,608 values", "73.36 MB"):
            assert number in text

    def test_a_long_notation_gets_a_number(self) -> None:
        long = facts_of("conv(4, 3) >> relu >> maxpool(2) >> fc(10)", *(SMALL_NET, Volume(8, 8, 1)))
        text = str(as_text([facts("lenet5"), long], 100))
        assert text.splitlines()[0].split() == ["lenet5", "net", "2"]
        assert "net 2: conv(4, 3) >> relu" in text


SMALL_NET = conv(4, 3) >> relu >> maxpool(2) >> fc(10)


def test_json_is_exact() -> None:
    (found,) = json.loads(as_json([facts("vgg16")]))
    assert found["backward_bytes"] == 73_355_264
    assert found["inference_peak_bytes"] == 25_690_112
    assert found["flow_values"] == 15_237_608
    assert found["last_conv_field"] == [196, 196]
    assert found["published"]["top1_error"] == 25.6


class TestPlot:
    FACTS = tuple(facts(name) for name in ("alexnet", "vgg16", "googlenet", "resnet50"))

    @pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
    def test_the_same_networks_make_the_same_bytes(self, form: str, start: bytes) -> None:
        first = plot(self.FACTS, form)
        assert first.startswith(start)
        assert first == plot(self.FACTS, form)

    def test_settings_are_as_before(self) -> None:
        before = dict(mpl.rcParams)
        plot(self.FACTS, "svg")
        assert dict(mpl.rcParams) == before

    def test_the_figure_names_what_it_shows(self) -> None:
        text = plot(self.FACTS, "svg").decode()
        ElementTree.fromstring(text)
        shown = [
            "alexnet",
            "vgg16",
            "resnet50",
            "human 5.1",
            "28.2",
            "3.57",
            "152",
            "googlenet (no published",
        ]
        assert all(word in text for word in shown)
        assert "2026" not in text

    def test_circles_stand_at_macs_and_published_accuracy(self) -> None:
        drawn, left_out = published(self.FACTS)
        name, each, top = drawn[1]
        assert (name, each.macs) == ("vgg16", 15_470_264_320)
        assert top == pytest.approx(100 - 25.6)
        assert left_out == ["googlenet (no published top-1)"]

    def test_one_figure_has_one_data_set(self) -> None:
        _, left_out = published([facts("resnet20"), facts("vgg16"), SMALL])
        assert left_out == ["vgg16 (ImageNet)", "small (no published top-1)"]

    def test_nothing_published_is_nothing_to_plot(self) -> None:
        with pytest.raises(UsageError, match="none of these networks has a published top-1 error"):
            plot([SMALL, facts("googlenet")], "svg")

    @pytest.mark.parametrize("form", ["", "jpg"])
    def test_other_formats_are_refused(self, form: str) -> None:
        with pytest.raises(UsageError, match="svg, png, pdf"):
            plot(self.FACTS, form)


def test_the_history_is_the_lectures() -> None:
    assert [entrant.top5_error for entrant in HISTORY] == [28.2, 25.8, 16.4, 11.7, 7.3, 6.7, 3.57]
    assert [entrant.year for entrant in HISTORY] == [2010, 2011, 2012, 2013, 2014, 2014, 2015]
    assert HUMAN == 5.1
    assert all(len(entrant.source) > 20 for entrant in HISTORY)


@pytest.mark.parametrize(
    ("entrant", "name"),
    [("AlexNet", "alexnet"), ("VGG", "vgg19"), ("GoogLeNet", "googlenet"), ("ResNet", "resnet152")],
)
def test_the_depths_of_the_history_are_the_zoos(entrant: str, name: str) -> None:
    assert next(each.depth for each in HISTORY if each.name == entrant) == facts(name).depth


def test_params_and_macs_mean_one_thing_wherever_they_are_given() -> None:
    """GoogLeNet's built module, side heads included; its table, its line in the zoo, its column here."""
    module = build("googlenet")
    params = sum(each.numel() for each in module.parameters())
    compared = facts("googlenet")
    (line,) = catalogue(["googlenet"])
    rows = json.loads(as_json([compared]))[0]
    assert {compared.params, compared.ledger.totals.params, line.params, rows["params"]} == {params}
    assert {compared.ledger.totals.macs, line.macs, rows["macs"]} == {compared.macs}
    apart = sum(each.numel() for name, each in module.named_parameters() if name.startswith("aux"))
    assert (compared.ledger.totals.side_params, line.side_params) == (apart, apart)
