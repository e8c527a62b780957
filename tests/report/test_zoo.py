"""The table of the zoo: every network, the depths of the papers, and the width of a terminal."""

from __future__ import annotations

import json
import re

import pytest

from hubel.net.algebra import named, side
from hubel.net.depth import depth
from hubel.net.layers import Fc, Rbf
from hubel.net.names import conv, fc, relu
from hubel.net.sliding import Conv
from hubel.net.trace import trace
from hubel.report.zoo import as_json, as_text, catalogue
from hubel.zoo import ZOO
from tests.zoo.papers import FACTS, measured

LINES = catalogue()
BY_NAME = {line.name: line for line in LINES}
IN_THE_NAME = [name for name in ZOO if re.match(r"(vgg|resnet|plain)\d+(?!.*gap)", name)]


@pytest.mark.parametrize("name", IN_THE_NAME)
def test_the_depth_is_the_one_in_the_name(name: str) -> None:
    digits = re.search(r"\d+", name)
    assert digits is not None
    assert BY_NAME[name].depth == int(digits[0])


def test_depths_that_papers_state() -> None:
    """Eight: Krizhevsky et al., section 3.5; 22: Szegedy et al., section 5; LeNet-5: convolutions and FC."""
    stated = {"lenet5": 5, "lenet5_1998": 5, "alexnet": 8, "alexnet_owt": 8, "zfnet": 8, "googlenet": 22}
    assert {name: BY_NAME[name].depth for name in stated} == stated
    assert BY_NAME["googlenet_bn"].depth == 22
    assert BY_NAME["vgg16_gap"].depth == 14  # two fully connected layers fewer
    assert BY_NAME["allcnn_c"].depth == 9  # nothing but its nine convolutions


def test_depth_counts_the_longest_branch_and_no_side_head() -> None:
    long, short = conv(3, 1) >> relu >> conv(3, 1), conv(3, 1)
    assert depth(trace(long | short, "4x4x3")) == 2
    assert depth(trace((short + long) >> fc(2), "4x4x3")) == 3
    assert depth(trace(short >> side("aux", named("a", fc(9)) >> fc(9) >> fc(2)) >> fc(2), "4x4x3")) == 2
    assert depth(trace(relu, "4x4x3")) == 0


@pytest.mark.parametrize("name", ZOO)
def test_what_counts_as_depth_is_what_has_macs(name: str) -> None:
    assert all(bool(row.macs) == isinstance(row.layer, (Conv, Fc, Rbf)) for row in measured(name).rows)


@pytest.mark.parametrize("name", ZOO)
def test_params_and_macs_are_the_papers_with_the_side_heads_as_their_part(name: str) -> None:
    line, facts = BY_NAME[name], FACTS[name]
    assert line.params == facts["params"]
    assert line.macs == facts["macs"]
    assert line.side_params == facts.get("side_params", 0)


def test_the_text_fits_a_terminal_and_has_a_line_for_each() -> None:
    lines = str(as_text(LINES)).splitlines()
    assert max(map(len, lines)) <= 100
    first_words = [line.split()[0] for line in lines if line]
    assert all(first_words.count(name) == 1 for name in ZOO if "googlenet" not in name)
    heads = [lines[0].index(head) for head in ("input", "error from")]
    rows = [line for line in lines if line.partition(" ")[0] in ZOO and "side heads" not in line]
    assert all(line[at - 2 : at] == "  " and line[at] != " " for line in rows for at in heads)
    row = next(line for line in lines if line.startswith("vgg16 "))
    assert row.split()[1:] == [
        *("2014", "16", "138,357,544", "15.5", "G", "224x224x3", "25.6", "8.1"),
        *("j", "table", "3,", "D"),
    ]
    assert "j  one model at one scale, trained at 256 to 512, tested at 384, validation" in lines


def test_a_network_without_a_published_error_has_a_dash_and_says_why() -> None:
    lines = str(as_text(catalogue(["lenet5"]))).splitlines()
    row = next(line for line in lines if line.startswith("lenet5"))
    assert row.split()[-3:] == ["-", "-", "a"]
    assert "a  none was published" in lines


def test_json_has_everything_unrounded() -> None:
    data = json.loads(as_json(LINES))
    assert [each["network"] for each in data] == list(ZOO)
    found = data[list(ZOO).index("resnet50")]
    assert found == {
        "network": "resnet50",
        "year": 2015,
        "paper": "He et al. 2015",
        "data": "ImageNet",
        "input": [224, 224, 3],
        "depth": 50,
        "params": 25_557_032,
        "macs": 3_857_973_248,
        "side_params": 0,
        "side_macs": 0,
        "top1_error": 22.85,
        "top5_error": 6.71,
        "result": "one model, ten crops, validation",
        "source": "table 3",
    }
    assert data[list(ZOO).index("lenet5")]["top1_error"] is None
