"""Steps become a network again: random networks, the zoo, graphs that are none, names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from hubel.net.algebra import Net, named
from hubel.net.layers import Add, Concat, Multiply
from hubel.net.names import batchnorm, conv, fc, globalavgpool, identity, maxpool, relu
from hubel.net.notation import parse
from hubel.net.trace import INPUT, Step, at_inference, trace
from hubel.net.untrace import TangledError, untrace
from hubel.net.volume import Volume
from hubel.zoo.registry import ZOO
from tests.strategies import fitting_nets


def unnamed(steps: tuple[Step, ...]) -> list[Any]:
    """Steps with numbers in place of paths."""
    number = {step.path: at for at, step in enumerate(steps)} | {INPUT: -1}
    return [
        (step.layer, tuple(number[source] for source in step.sources), step.inputs, step.output)
        for step in steps
    ]


def graph(*steps: tuple[str, Any, tuple[str, ...]], volume: str = "8x8x3") -> list[Step]:
    """Steps of a graph, written path, layer, sources; sizes follow."""
    outputs = {INPUT: Volume.of(volume)}
    made = []
    for path, layer, sources in steps:
        inputs = tuple(outputs[source] for source in sources)
        outputs[path] = layer.output(*inputs)
        made.append(Step(path, layer, sources, inputs, outputs[path]))
    return made


@given(fitting_nets())
def test_a_network_comes_back_from_its_trace(drawn: tuple[Net, Volume]) -> None:
    net, volume = drawn
    steps = at_inference(trace(net, volume))
    found = untrace(steps)
    again = trace(found.net, volume)
    assert unnamed(again) == unnamed(steps)
    assert found.paths == {
        step.path: new.path
        for step, new in zip(steps, again, strict=True)
        if not isinstance(step.layer, Add | Concat | Multiply)
    }
    assert all(old == new for old, new in found.paths.items())  # names of a notation are all legal
    assert parse(repr(found.net)) == found.net


@pytest.mark.parametrize("name", sorted(ZOO))
def test_every_network_of_the_zoo_comes_back(name: str) -> None:
    from hubel.zoo import lookup

    net, volume = lookup.find(name)
    steps = at_inference(trace(net, volume))
    found = untrace(steps)
    assert unnamed(trace(found.net, volume)) == unnamed(steps)
    assert all(old == new for old, new in found.paths.items())


def test_names_that_the_trace_gives_are_left_out() -> None:
    net = conv(6, 5) >> relu >> maxpool(2) >> conv(16, 5) >> relu >> fc(10)
    assert untrace(trace(net, "32x32x1")).net == net


def test_a_branch_without_layers_is_an_identity() -> None:
    steps = graph(
        ("a", conv(4, 3, pad=1), (INPUT,)),
        ("b", batchnorm, ("a",)),
        ("sum", Add(), ("a", "b")),
        ("end", relu, ("sum",)),
    )
    net = named("a", conv(4, 3, pad=1)) >> identity + named("b", batchnorm) >> named("end", relu)
    assert untrace(steps).net == net


def test_layers_that_each_concatenate_all_before_are_nested() -> None:
    """As torchvision's DenseNet does: a, b; then a, b, c."""
    steps = graph(
        ("a", conv(4, 3, pad=1), (INPUT,)),
        ("b", conv(2, 3, pad=1), ("a",)),
        ("ab", Concat(), ("a", "b")),
        ("c", conv(2, 3, pad=1), ("ab",)),
        ("abc", Concat(), ("a", "b", "c")),
        ("end", globalavgpool, ("abc",)),
    )
    net = (
        named("a", conv(4, 3, pad=1))
        >> (identity | named("b", conv(2, 3, pad=1)))
        >> (identity | named("c", conv(2, 3, pad=1)))
        >> named("end", globalavgpool)
    )
    assert untrace(steps).net == net


def test_branches_that_part_later_are_joined_among_themselves() -> None:
    """As Inception-v3's last modules, whose concatenation is flat in other formats."""
    steps = graph(
        ("a", conv(4, 1), (INPUT,)),
        ("b", conv(4, 1), (INPUT,)),
        ("b1", conv(2, (1, 3), pad=(0, 1)), ("b",)),
        ("b2", conv(2, (3, 1), pad=(1, 0)), ("b",)),
        ("all", Concat(), ("a", "b1", "b2")),
    )
    net = named("a", conv(4, 1)) | named("b", conv(4, 1)) >> (
        named("b1", conv(2, (1, 3), pad=(0, 1))) | named("b2", conv(2, (3, 1), pad=(1, 0)))
    )
    assert untrace(steps).net == net


def test_what_does_not_lead_to_the_end_is_left_out() -> None:
    steps = graph(("a", relu, (INPUT,)), ("lost", conv(2, 1), ("a",)), ("b", fc(3), ("a",)))
    assert untrace(steps, "b").net == named("a", relu) >> named("b", fc(3))
    assert untrace(steps[:1], INPUT).net == identity


def test_branches_that_read_from_each_other_are_refused() -> None:
    steps = graph(
        ("a", relu, (INPUT,)),
        ("b", conv(3, 1), (INPUT,)),
        ("c", Add(), ("a", "b")),
        ("d", conv(3, 1), ("b",)),
        ("end", Add(), ("c", "d")),
    )
    with pytest.raises(TangledError, match="no notation") as caught:
        untrace(steps)
    assert caught.value.path == "b"


def test_names_of_others_become_legal() -> None:
    steps = graph(
        ("features.0", conv(4, 3), (INPUT,)),
        ("features.1", relu, ("features.0",)),
        ("conv-2/x", conv(4, 3), ("features.1",)),
        ("features.3", relu, ("conv-2/x",)),
        ("net", fc(3), ("features.3",)),
    )
    found = untrace(steps, taken={"net"})
    paths = ["features._0", "features._1", "conv_2_x", "features_2._3", "net_2"]
    assert [found.paths[step.path] for step in steps] == paths
    assert [step.path for step in trace(found.net, "8x8x3")] == paths
