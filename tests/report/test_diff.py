"""The difference of two networks: known pairs from the papers, and properties of any two."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from hubel import zoo
from hubel.net.algebra import Net, named
from hubel.net.ledger import Ledger, ledger
from hubel.net.names import batchnorm, conv, dropout, fc, identity, maxpool, relu
from hubel.net.volume import Volume
from hubel.report.diff import changes as difference
from hubel.report.diff.changes import Change, Kind, align, changes
from hubel.report.diff.text import as_json, as_text
from hubel.tasks.diff import diff
from tests.strategies import fitting_nets


def table(text: str) -> Ledger:
    return ledger(*zoo.find(text))


def found(before: str, after: str) -> dict[str, Change]:
    return {change.path: change for change in changes(table(before), table(after))}


def text(before: str, after: str) -> str:
    first, second = table(before), table(after)
    return str(as_text((before, after), first, second, changes(first, second)))


def kinds(before: Net, after: Net, volume: str = "8x8x4") -> list[tuple[Kind, str]]:
    return [(each.kind, each.path) for each in changes(ledger(before, volume), ledger(after, volume))]


def test_vgg_c_and_d_differ_in_three_convolutions() -> None:
    """Simonyan and Zisserman 2014, table 1: the last convolutions of stages 3 to 5 are 1x1 in C."""
    different = found("vgg16_1x1", "vgg16")
    assert {path: (change.kind, change.params) for path, change in different.items()} == {
        "conv3_3": (Kind.CHANGED, 256 * 256 * 8),
        "conv4_3": (Kind.CHANGED, 512 * 512 * 8),
        "conv5_3": (Kind.CHANGED, 512 * 512 * 8),
    }
    said = text("vgg16_1x1", "vgg16")
    assert "~ conv3_3  conv(256, 1) -> conv(256, 3, pad=1)\n" in said
    assert "56x56x256, params +524,288, MACs +1,644,167,168\n" in said
    assert "+4,718,592" in said


def test_resnet_v1_5_moves_the_stride_into_the_3x3() -> None:
    different = found("resnet50", "resnet50_v1_5")
    changed = [path for path, change in different.items() if change.kind is Kind.CHANGED]
    assert changed == [f"conv{stage}_x.block1.conv{place}" for stage in (3, 4, 5) for place in (1, 2)]
    others = {change.kind for path, change in different.items() if path not in changed}
    assert others == {Kind.FOLLOWS}
    assert sum(change.params for change in different.values()) == 0
    assert sum(change.macs for change in different.values()) == 4_089_184_256 - 3_857_973_248
    assert "= 6 more differ in size only: conv3_x.block1.batchnorm1" in text("resnet50", "resnet50_v1_5")


def test_alexnet_of_2012_and_torchvisions() -> None:
    different = found("alexnet", "alexnet_owt")
    assert {different[name].kind for name in ("norm1", "norm2")} == {Kind.REMOVED}
    assert different["adaptiveavgpool1"].kind is Kind.ADDED
    assert [different[f"conv{n}"].kind for n in (1, 2, 4, 5)] == 4 * [Kind.CHANGED]
    assert different["conv3"].kind is Kind.FOLLOWS  # the same layer on fewer maps
    assert different["conv3"].params == 384 * 9 * (192 - 256)
    assert not {"fc6", "fc7", "fc8"} & different.keys()
    said = text("alexnet", "alexnet_owt")
    assert said.startswith("--- alexnet, 227x227x3\n+++ alexnet_owt, 224x224x3\n")
    assert "~ conv2  conv(256, 5, pad=2, groups=2) -> conv(192, 5, pad=2)\n" in said


def test_a_layer_in_another_place_has_moved() -> None:
    different = found("alexnet", "alexnet_one_tower")
    assert different["norm1"].kind is Kind.MOVED
    assert "> norm1  lrn, reads relu1 -> pool1\n" in text("alexnet", "alexnet_one_tower")


def test_inserted_layers_do_not_shift_the_rest() -> None:
    different = found("vgg13", "vgg16")
    assert [path for path in different if path.startswith("conv")] == ["conv3_3", "conv4_3", "conv5_3"]
    assert {change.kind for change in different.values()} == {Kind.ADDED}
    assert len(different) == 6  # each with its ReLU


def test_whole_blocks_are_one_line_and_equal_ones_are_joined() -> None:
    said = text("resnet50", "resnet152")
    assert "+ conv4_x.block7 to conv4_x.block36  30 parts of 11 layers\n    each 14x14x1024" in said
    assert said.count("\n+ ") == 2
    assert len(changes(table("resnet50"), table("resnet152"))) == 34 * 11


def test_one_name_with_another_layer_is_a_change() -> None:
    different = found("vgg16", "vgg16_dense")
    assert different["fc6"].kind is Kind.CHANGED
    assert different["fc6"].params == 0


def test_small_ones() -> None:
    net = conv(4, 3) >> relu >> fc(2)
    assert kinds(net, net) == []
    assert kinds(net, conv(4, 3) >> relu >> dropout >> fc(2)) == [(Kind.ADDED, "dropout1")]
    assert kinds(net, conv(4, 3) >> fc(2)) == [(Kind.REMOVED, "relu1")]
    assert kinds(net, named("stem", conv(4, 3)) >> relu >> fc(2)) == [(Kind.CHANGED, "stem")]
    assert kinds(2 * relu, relu >> relu) == []
    assert kinds(conv(4, 1) >> relu, conv(4, 1) >> batchnorm) == [
        (Kind.REMOVED, "relu1"),
        (Kind.ADDED, "batchnorm1"),
    ]


def test_texts_that_begin_alike_are_a_and_b() -> None:
    start = "conv(8, 3) >> relu >> conv(16, 3) >> "
    text = str(diff(f"{start}relu", f"{start}tanh", "9x9x3").text())
    assert f"--- a: {start}relu, 9x9x3" in text
    assert f"+++ b: {start}tanh, 9x9x3" in text
    head = next(line for line in text.splitlines() if line.endswith("difference"))
    assert head.split() == ["a", "b", "difference"]
    assert "a: " not in str(diff("vgg16", "vgg19").text())


def test_the_same_layers_with_other_connections() -> None:
    straight = named("a", relu) >> named("b", maxpool(1)) >> (named("c", relu) + named("d", identity))
    crossed = named("a", relu) >> (named("b", maxpool(1)) >> named("c", relu)) + named("d", identity)
    assert kinds(straight, crossed) == [(Kind.REWIRED, "d")]


@settings(max_examples=100)
@given(fitting_nets(), fitting_nets())
def test_differences_add_up(first: tuple[Net, Volume], second: tuple[Net, Volume]) -> None:
    before, after = ledger(*first), ledger(*second)
    different = changes(before, after)
    assert sum(change.params for change in different) == after.totals.params - before.totals.params
    assert sum(change.macs for change in different) == after.totals.macs - before.totals.macs
    assert changes(before, before) == ()
    as_text(("a", "b"), before, after, different)
    matches = align(before.steps, after.steps)
    assert [first for first, _ in matches if first is not None] == list(range(len(before.steps)))
    assert [second for _, second in matches if second is not None] == list(range(len(after.steps)))


def test_very_long_networks_are_aligned_by_path(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = found("vgg16_1x1", "vgg16")
    monkeypatch.setattr(difference, "MOST_CELLS", 0)
    assert found("vgg16_1x1", "vgg16") == quick
    different = found("resnet110", "resnet1202")
    assert sum(change.params for change in different.values()) == 19_421_274 - 1_727_962


def test_json_leaves_nothing_out() -> None:
    before, after = table("resnet50"), table("resnet50_v1_5")
    data = json.loads(as_json(("a", "b"), before, after, changes(before, after)))
    assert len(data["changes"]) == 12
    assert data["changes"][0] == {
        "change": "changed",
        "before": {
            "path": "conv3_x.block1.conv1",
            "layer": "conv(128, 1, stride=2, bias=False)",
            "input": [56, 56, 256],
            "output": [28, 28, 128],
            "params": 32_768,
            "macs": 25_690_112,
        },
        "after": {
            "path": "conv3_x.block1.conv1",
            "layer": "conv(128, 1, bias=False)",
            "input": [56, 56, 256],
            "output": [56, 56, 128],
            "params": 32_768,
            "macs": 102_760_448,
        },
        "params": 0,
        "macs": 77_070_336,
    }
    assert data["totals"]["difference"]["macs"] == 231_211_008
