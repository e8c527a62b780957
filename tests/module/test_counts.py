"""Sizes, parameters and multiply-adds of the ledger: integers equal to what the built module counts.

Three independent routes: forward hooks that read tensor shapes, PyTorch's own flop counter, and the
same network written by hand in torch.nn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hubel import (
    Net,
    Volume,
    adaptiveavgpool,
    avgpool,
    batchnorm,
    build,
    conv,
    convtranspose,
    dropout,
    droppath,
    elu,
    fc,
    gate,
    gelu,
    globalavgpool,
    groupnorm,
    hardsigmoid,
    hardswish,
    identity,
    layernorm,
    layerscale,
    leakyrelu,
    ledger,
    lrn,
    maxpool,
    padshortcut,
    parse,
    part,
    prelu,
    rbf,
    relu,
    relu6,
    shuffle,
    sigmoid,
    silu,
    softmax,
    subsample,
    tanh,
    upsample,
)
from hubel.module.network import Network
from hubel.net.window import Size, pair
from hubel.zoo.pages.lenet import C3_TABLE, lenet5, lenet5_1998
from tests.module.probes import Count, counted, random_images, scores_of
from tests.strategies import fitting_nets

LAYERS: list[Net] = [
    conv(6, 3),
    conv(6, 3, bias=False),
    conv(6, (3, 2), stride=(2, 1), pad=(0, 3), dilation=(1, 2)),
    conv(6, 3, groups=2, pad=1),
    conv(6, 3, groups=6, pad=1),
    conv(16, 3, links=C3_TABLE),
    conv(2, 1, links=((5,), (0, 3)), bias=False),
    conv(6, 3, pad=(0, 2, 1, 1)),
    conv(6, 3, stride=2, pad=(2, 0, 0, 1), bias=False),
    conv(6, 3, pad=(0, 2, 1, 1), pad_mode="reflect"),
    conv(6, 3, pad=1, pad_mode="replicate"),
    conv(6, 1, pad_mode="reflect"),
    conv(6, 3, stride=4, ceil=True),
    conv(6, 2, stride=2, pad="same"),
    conv(2, 2, pad=(0, 1, 0, 1), links=((5,), (0, 3))),
    convtranspose(6, 2, 2),
    convtranspose(6, (4, 3), (2, 3), (1, 0), (1, 2), groups=2, bias=False),
    convtranspose(6, 3, dilation=2),
    upsample(2),
    upsample((1, 3), "bilinear"),
    maxpool(2),
    maxpool(3, 2, pad=1, ceil=True),
    maxpool(3, 2, pad=(0, 1, 1, 0)),
    avgpool(3, 2, ceil=True),
    avgpool(3, 1, pad=(0, 1, 1, 1)),
    avgpool(3, 2, pad=1, ceil=True, count_pad=False),
    avgpool(3, 1, pad=(0, 1, 1, 1), count_pad=False),
    subsample(2),
    padshortcut(9, 2),
    globalavgpool,
    adaptiveavgpool(2, 3),
    relu,
    relu6,
    tanh,
    tanh(1.7159, 2 / 3),
    sigmoid,
    hardsigmoid,
    gelu,
    silu,
    hardswish,
    leakyrelu,
    prelu,
    prelu(shared=True),
    elu(0.5),
    lrn,
    lrn(3, within=True),
    batchnorm,
    layernorm,
    groupnorm(3),
    layerscale,
    dropout,
    droppath,
    part(2, 3),
    shuffle(2),
    fc(5),
    fc(5, bias=False),
    rbf(10),
    softmax,
    identity,
    relu | conv(3, 1) | identity,
    relu + conv(6, 1),
    part(1, 2) | part(2, 2),
    gate(globalavgpool >> conv(2, 1) >> relu >> conv(6, 1) >> sigmoid),
    gate(conv(1, 1) >> sigmoid),
    gate(conv(6, 1)),
    gate(sigmoid),
    gate(identity),
]
ON = Volume(9, 7, 6)


def counts_agree(net: Net, volume: Volume) -> Network:
    """Compares every row of the ledger with hooks in training, side heads included."""
    table = ledger(net, volume)
    module = build(net, volume).train()
    counts = counted(module, random_images(volume, count=2))
    sides = {step.path for step in table.steps if step.layer.kind == "sidehead"}
    rows = {row.path: Count(row.output, row.params, row.macs) for row in table.rows if row.path not in sides}
    assert counts == rows
    assert table.totals.params == sum(parameter.numel() for parameter in module.parameters())
    assert table.totals.macs == sum(count.macs for count in counts.values())
    assert sides == set(module.side_weights)
    return module


@pytest.mark.parametrize("net", LAYERS, ids=repr)
def test_every_layer(net: Net) -> None:
    counts_agree(net, ON)


@given(fitting_nets())
def test_random_networks(drawn: tuple[Net, Volume]) -> None:
    counts_agree(*drawn)


@settings(max_examples=100)
@given(fitting_nets())
def test_pytorchs_flop_counter_counts_twice_the_multiply_adds(drawn: tuple[Net, Volume]) -> None:
    net, volume = drawn
    totals = ledger(net, volume).totals
    module = build(net, volume).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(random_images(volume))
    assert counter.get_total_flops() == 2 * (totals.macs - totals.side_macs)
    module.train()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(random_images(volume, count=3))
    assert counter.get_total_flops() == 3 * totals.flops


def test_lenet_of_1998_has_the_papers_numbers() -> None:
    """LeCun et al. 1998, section II.B: trainable parameters of each layer, and 60,000 in all."""
    module = counts_agree(lenet5_1998(), Volume(32, 32, 1))
    params = {
        path: sum(parameter.numel() for parameter in module.get_submodule(path).parameters())
        for path in ("C1", "S2", "C3", "S4", "C5", "F6")
    }
    assert params == {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48_120, "F6": 10_164}
    assert sum(parameter.numel() for parameter in module.parameters()) == 60_000


def test_lenet_of_today_has_61706_parameters() -> None:
    module = counts_agree(lenet5(), Volume(32, 32, 1))
    assert sum(parameter.numel() for parameter in module.parameters()) == 61_706


# --- the same network by hand --------------------------------------------------------------------


@dataclass(frozen=True)
class Twin:
    """A layer in hubel's notation and in torch.nn."""

    text: str
    module: nn.Module


Plane: TypeAlias = tuple[int, int]


def sides(least: int, most: int) -> st.SearchStrategy[Size]:
    return st.integers(least, most) | st.tuples(st.integers(least, most), st.integers(least, most))


@dataclass(frozen=True)
class Plain:
    """A layer that keeps the size, both ways, for inputs whose depth is a multiple of `depths`."""

    text: str
    make: Callable[[int], nn.Module]
    depths: int = 1


class OverMaps(nn.LayerNorm):
    """ConvNeXt's layer normalisation, channels last and back."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


PLAIN = [
    Plain("batchnorm(eps=0.001)", lambda depth: nn.BatchNorm2d(depth, eps=1e-3)),
    Plain("layernorm(eps=0.001)", lambda depth: OverMaps(depth, eps=1e-3)),
    Plain("groupnorm(2, 0.001)", lambda depth: nn.GroupNorm(2, depth, 1e-3), 2),
    Plain("relu", lambda _depth: nn.ReLU()),
    Plain("leakyrelu(0.2)", lambda _depth: nn.LeakyReLU(0.2)),
    Plain("prelu", nn.PReLU),
    Plain("prelu(True)", lambda _depth: nn.PReLU()),
    Plain("elu(0.5)", lambda _depth: nn.ELU(0.5)),
    Plain("silu", lambda _depth: nn.SiLU()),
    Plain("hardswish", lambda _depth: nn.Hardswish()),
    Plain("hardsigmoid", lambda _depth: nn.Hardsigmoid()),
    Plain("droppath(0.5)", lambda _depth: nn.Identity()),
    Plain("shuffle(2)", lambda _depth: nn.ChannelShuffle(2), 2),
    Plain("upsample(2)", lambda _depth: nn.UpsamplingNearest2d(scale_factor=2)),
    Plain("upsample((1, 2), 'bilinear')", lambda _depth: nn.Upsample(scale_factor=(1, 2), mode="bilinear")),
]


@st.composite
def twins(draw: st.DrawFn, plane: Plane, depth: int) -> Twin:
    """One layer both ways, for an input of this plane and depth."""
    size = draw(sides(1, min(3, *plane)))
    stride, pad = draw(sides(1, 3)), draw(sides(0, min(pair(size)) // 2))
    ceil = draw(st.booleans())
    plain = [kind for kind in PLAIN if depth % kind.depths == 0 and math.prod(plane) > 1]
    others = ["conv", "conv", "padded", "transposed", "max", "avg", "lrn", "adaptive", "plain", "plain"]
    match draw(st.sampled_from(others)):
        case "plain":
            kind = draw(st.sampled_from(plain)) if plain else PLAIN[0]
            return Twin(kind.text, kind.make(depth))
        case "padded":
            around = draw(st.tuples(*[st.integers(0, min(plane) - 1)] * 4))
            mode = draw(st.sampled_from(["zeros", "reflect", "replicate"]))
            top, bottom, left, right = around
            pads = {"zeros": nn.ZeroPad2d, "reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d}
            hand = nn.Sequential(pads[mode]((left, right, top, bottom)), nn.Conv2d(depth, 2, size, stride))
            return Twin(f"conv(2, {size}, {stride}, {around}, pad_mode='{mode}')", hand)
        case "transposed":
            step = draw(st.integers(1, 2))
            spread = nn.ConvTranspose2d(depth, 4, 2, step, 0, step - 1, groups=1 + (depth % 2 == 0))
            return Twin(f"convtranspose(4, 2, {step}, 0, {step - 1}, {spread.groups})", spread)
        case "conv":
            groups = draw(st.sampled_from([n for n in (1, 2, 3) if depth % n == 0]))
            filters, bias = groups * draw(st.integers(1, 3)), draw(st.booleans())
            text = f"conv({filters}, {size}, stride={stride}, pad={pad}, groups={groups}, bias={bias})"
            module = nn.Conv2d(depth, filters, size, stride, pad, groups=groups, bias=bias)
            return Twin(text, module)
        case "max":
            return Twin(
                f"maxpool({size}, {stride}, {pad}, {ceil})", nn.MaxPool2d(size, stride, pad, ceil_mode=ceil)
            )
        case "avg":
            return Twin(f"avgpool({size}, {stride}, {pad}, {ceil})", nn.AvgPool2d(size, stride, pad, ceil))
        case "lrn":  # PyTorch divides alpha by the size
            return Twin("lrn(3, 0.2, 0.75, 2.0)", nn.LocalResponseNorm(3, 0.6, 0.75, 2.0))
        case _:
            height, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
            return Twin(f"adaptiveavgpool({height}, {width})", nn.AdaptiveAvgPool2d((height, width)))


@st.composite
def chains(draw: st.DrawFn) -> tuple[Volume, list[Twin]]:
    """Up to six layers and a classifier both ways; sizes come from running torch.nn."""
    volume = Volume(draw(st.integers(4, 12)), draw(st.integers(4, 12)), draw(st.integers(1, 4)))
    flow = random_images(volume)
    chain: list[Twin] = []
    for _ in range(draw(st.integers(1, 6))):
        chain.append(draw(twins((flow.shape[2], flow.shape[3]), flow.shape[1])))
        with torch.no_grad():
            flow = chain[-1].module.eval()(flow)
    units = draw(st.integers(1, 5))
    head = nn.Sequential(nn.Flatten(), nn.Linear(flow[0].numel(), units))
    return volume, [*chain, Twin(f"fc({units})", head)]


@given(chains())
def test_it_is_what_one_writes_by_hand_in_torch_nn(drawn: tuple[Volume, list[Twin]]) -> None:
    volume, chain = drawn
    net = parse(" >> ".join(twin.text for twin in chain))
    hand = nn.Sequential(*(twin.module for twin in chain)).double().eval()
    module = build(net, volume).double().eval()
    assert [value.shape for value in module.state_dict().values()] == [
        value.shape for value in hand.state_dict().values()
    ]
    hand.load_state_dict(dict(zip(hand.state_dict(), module.state_dict().values(), strict=True)))
    images = random_images(volume, count=2).double()
    flow = images
    with torch.no_grad():
        for row, twin in zip(ledger(net, volume).rows, chain, strict=True):
            with FlopCounterMode(display=False) as counter:
                flow = twin.module(flow)
            assert (*row.output.plane, row.output.depth) == (*(*flow.shape, 1, 1)[2:4], flow.shape[1])
            assert row.params == sum(parameter.numel() for parameter in twin.module.parameters())
            assert 2 * 2 * row.macs == counter.get_total_flops()
        torch.testing.assert_close(scores_of(module(images)), flow)
