"""The walk: paths, sources, side heads, and errors that name the place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.errors import NetworkError
from hubel.net.algebra import Net, named, side
from hubel.net.names import conv, fc, globalavgpool, identity, maxpool, padshortcut, relu, softmax
from hubel.net.trace import INPUT, UnfitError, at_inference, trace
from hubel.net.volume import Volume
from hubel.zoo import resnet20
from tests.strategies import fitting_nets

SAME = conv(3, 3, pad=1)  # keeps 8x8x3
IN = "8x8x3"


def paths(net: Net, volume: str = IN) -> list[str]:
    return [step.path for step in trace(net, volume)]


# --- paths ---------------------------------------------------------------------------------------


def test_a_layer_without_a_name_is_its_kind_and_a_number() -> None:
    assert paths(SAME >> relu >> SAME >> relu >> fc(2)) == ["conv1", "relu1", "conv2", "relu2", "fc1"]
    assert paths(relu) == ["relu1"]


def test_a_name_is_the_path_of_one_layer_and_the_prefix_of_several() -> None:
    net = named("stem", SAME >> relu) >> named("score", fc(2)) >> softmax
    assert paths(net) == ["stem.conv1", "stem.relu1", "score", "softmax1"]


def test_every_scope_has_its_own_numbers() -> None:
    net = SAME >> named("a", SAME >> named("b", SAME >> SAME)) >> SAME >> named("c", SAME >> SAME)
    assert paths(net) == ["conv1", "a.conv1", "a.b.conv1", "a.b.conv2", "conv2", "c.conv1", "c.conv2"]


def test_copies_continue_the_numbers_of_layers_and_names() -> None:
    assert paths(2 * (SAME >> relu) >> SAME) == ["conv1", "relu1", "conv2", "relu2", "conv3"]
    assert paths(3 * named("block", SAME)) == ["block1", "block2", "block3"]
    assert paths(2 * named("block", SAME >> relu)) == [
        "block1.conv1",
        "block1.relu1",
        "block2.conv1",
        "block2.relu1",
    ]
    assert paths(1 * named("block", SAME)) == ["block1"]
    assert paths(2 * (2 * named("a", relu))) == ["a1", "a2", "a3", "a4"]
    assert paths(2 * named("a", 2 * named("b", relu))) == ["a1.b1", "a1.b2", "a2.b1", "a2.b2"]


def test_a_name_outside_of_copies_gets_no_number() -> None:
    assert paths(named("a", relu) >> 2 * named("a", relu)) == ["a", "a1", "a2"]


def test_numbered_paths_avoid_given_names() -> None:
    assert paths(SAME >> named("conv1", SAME) >> SAME) == ["conv2", "conv1", "conv3"]
    assert paths(2 * named("conv", SAME) >> SAME) == ["conv1", "conv2", "conv3"]


def test_copies_in_several_places_continue_the_numbers() -> None:
    net = 2 * named("conv", SAME) >> 2 * named("conv", SAME) >> SAME
    assert paths(net) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    net = 2 * (named("conv", SAME) >> 3 * named("conv", SAME)) >> SAME
    assert paths(net) == [f"conv{number}" for number in range(1, 10)]


def test_branches_are_traced_in_order_and_then_joined() -> None:
    assert paths(SAME | relu >> SAME | identity) == ["conv1", "relu1", "conv2", "identity1", "concat1"]
    assert paths((SAME + identity) >> (SAME + identity)) == [
        "conv1",
        "identity1",
        "add1",
        "conv2",
        "identity2",
        "add2",
    ]


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (named("a", relu) >> named("a", relu), "the name 'a' is given to two parts; give each part its own"),
        (named("a", relu) | named("a", SAME), "the name 'a' is given to two parts"),
        (named("a", relu) >> side("a", fc(2)), "the name 'a' is given to two parts"),
        (named("a1", relu) >> 2 * named("a", relu), "the name 'a1' is given to two parts"),
        (named("b", named("a", relu) >> named("a", relu)), "the name 'a' is given to two parts in b"),
        (named("input", relu), "the name 'input' is reserved for the input"),
        (side("input", relu), "the name 'input' is reserved for the input"),
    ],
)
def test_two_parts_of_a_scope_have_different_names(net: Net, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        trace(net, IN)


def test_a_name_may_be_used_again_in_another_scope() -> None:
    net = named("a", named("a", relu)) >> named("b", named("a", relu) >> named("input", relu))
    assert paths(net) == ["a.a", "b.a", "b.input"]


@given(fitting_nets())
def test_paths_are_unique_and_sources_come_before(pair: tuple[Net, Volume]) -> None:
    net, volume = pair
    known = {INPUT: volume}
    for step in trace(net, volume):
        assert step.path not in known
        assert step.inputs == tuple(known[source] for source in step.sources)
        known[step.path] = step.output


@given(st.lists(st.tuples(st.sampled_from(["conv", "relu", "a"]), st.integers(0, 3)), max_size=6))
def test_automatic_and_given_names_never_clash(parts: list[tuple[str, int]]) -> None:
    net: Net = relu >> SAME
    for name, copies in parts:
        net = net >> (copies * named(name, relu) if copies else 2 * (relu >> SAME))
    walked = paths(net >> relu >> SAME)
    assert len(set(walked)) == len(walked)


# --- sources and sizes ---------------------------------------------------------------------------


def test_steps_name_their_sources() -> None:
    steps = trace(conv(4, 3) >> (conv(2, 1) | maxpool(3, 1, pad=1) >> conv(5, 1)) >> fc(2), IN)
    assert [(step.path, step.sources, str(step.output)) for step in steps] == [
        ("conv1", ("input",), "6x6x4"),
        ("conv2", ("conv1",), "6x6x2"),
        ("maxpool1", ("conv1",), "6x6x4"),
        ("conv3", ("maxpool1",), "6x6x5"),
        ("concat1", ("conv2", "conv3"), "6x6x7"),
        ("fc1", ("concat1",), "1x1x2"),
    ]


def test_a_skip_reads_its_source_twice() -> None:
    steps = trace(relu >> (SAME + identity), IN)
    assert steps[-1].sources == ("conv1", "identity1")
    assert steps[-1].inputs == (Volume(8, 8, 3), Volume(8, 8, 3))
    assert steps[1].sources == steps[2].sources == ("relu1",)


def test_a_volume_is_given_in_any_form() -> None:
    assert trace(SAME, IN) == trace(SAME, (8, 8, 3)) == trace(SAME, [8, 8, 3]) == trace(SAME, Volume(8, 8, 3))


# --- side heads ----------------------------------------------------------------------------------


def test_a_side_head_passes_its_input_on() -> None:
    net = SAME >> side("aux", globalavgpool >> fc(2), weight=0.3) >> relu
    steps = trace(net, IN)
    assert [(step.path, step.sources, step.side) for step in steps] == [
        ("conv1", ("input",), ""),
        ("aux.globalavgpool1", ("conv1",), "aux"),
        ("aux.fc1", ("aux.globalavgpool1",), "aux"),
        ("aux", ("aux.fc1",), "aux"),
        ("relu1", ("conv1",), ""),
    ]
    assert repr(steps[3].layer) == "sidehead(weight=0.3)"
    assert at_inference(steps) == trace(SAME >> relu, IN)


def test_every_step_of_a_side_head_names_it() -> None:
    inner = named("b", SAME >> relu) >> side("deep", fc(3)) >> (SAME | identity) >> fc(2)
    steps = trace(named("a", relu >> side("aux", inner)) >> relu, IN)
    marks = {step.path: step.side for step in steps}
    assert marks.pop("a.relu1") == ""
    assert marks.pop("relu1") == ""
    assert {"a.aux", "a.aux.b.conv1", "a.aux.deep", "a.aux.deep.fc1", "a.aux.concat1"} < set(marks)
    assert set(marks.values()) == {"a.aux"}


def test_copies_of_a_side_head_are_numbered() -> None:
    steps = trace(2 * (SAME >> side("aux", fc(2))), IN)
    assert {step.side for step in steps} == {"", "aux1", "aux2"}


@given(fitting_nets())
def test_no_step_at_inference_reads_a_side_head(pair: tuple[Net, Volume]) -> None:
    steps = trace(*pair)
    known = {INPUT, *(step.path for step in at_inference(steps))}
    assert all(set(step.sources) <= known for step in at_inference(steps))


# --- what does not fit ---------------------------------------------------------------------------


def broken(net: Net, volume: str, *, strict: bool = False) -> UnfitError:
    with pytest.raises(UnfitError) as caught:
        trace(net, volume, strict=strict)
    return caught.value


def test_branches_of_unequal_planes_are_named_with_their_sizes() -> None:
    error = broken(conv(4, 3) | named("pooled", maxpool(2)) | identity, IN)
    assert str(error) == (
        "concat1 does not fit: branches side by side need one height and width.\n"
        "  branch 1 ends in conv1: 6x6x4\n"
        "  branch 2 ends in pooled: 4x4x3\n"
        "  branch 3 ends in identity1: 8x8x3"
    )
    assert [step.path for step in error.steps] == ["conv1", "pooled", "identity1"]


def test_summands_of_unequal_depth_are_named_with_their_sizes() -> None:
    error = broken(relu >> named("block", conv(4, 3, pad=1) + identity), IN)
    assert str(error) == (
        "block.add1 does not fit: branches that are added need one size.\n"
        "  branch 1 ends in block.conv1: 8x8x4\n"
        "  branch 2 ends in block.identity1: 8x8x3"
    )


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (relu >> conv(6, 9), "conv1 does not fit 8x8x3: (8-9+2·0)/1+1 = 0; at least 9x9 fits"),
        (maxpool(2) >> named("c", conv(6, 5)), "c does not fit 4x4x3: (4-5+2·0)/1+1 = 0; at least 5x5 fits"),
        (conv(4, 3, groups=2), "conv1 does not fit 8x8x3: depth 3 cannot be cut into 2 equal groups"),
        (
            conv(2, 3, links=((0,), (3,))),
            "conv1 does not fit 8x8x3: links name input map 3, but depth 3 has maps 0 to 2",
        ),
        (padshortcut(2), "padshortcut1 does not fit 8x8x3: depth 3 cannot be padded to 2"),
    ],
)
def test_a_layer_that_does_not_fit_says_why(net: Net, message: str) -> None:
    assert str(broken(net, IN)) == message


def test_strict_refuses_what_does_not_divide() -> None:
    net = SAME >> relu >> conv(4, 3, stride=2) >> fc(2)
    assert len(trace(net, IN)) == 4
    error = broken(net, IN, strict=True)
    assert str(error) == (  # (9-3)/2+1 = 4, (8-3+2)/2+1 = 4.5
        "conv2 does not fit 8x8x3: (8-3+2·0)/2+1 = 3.5.\n"
        "  9x9x3 fits (4), or pad=1 on 8x8x3 gives floor 4; "
        "or allow floor 3 (the last 1 row and column unused)"
    )
    assert [step.path for step in error.steps] == ["conv1", "relu1"]
    assert error.steps == trace(SAME >> relu, IN)


def test_strict_lets_ceil_and_exact_windows_pass() -> None:
    net = maxpool(3, 2, ceil=True) >> conv(2, 2, stride=2)
    assert trace(net, IN, strict=True) == trace(net, IN)


def test_an_error_within_a_branch_keeps_the_steps_before_it() -> None:
    error = broken(relu >> (SAME | conv(2, 9)), IN)
    assert [step.path for step in error.steps] == ["relu1", "conv1"]


@pytest.mark.parametrize("net", [None, conv, "relu", [relu], 3])
def test_what_is_not_a_network_is_not_traced(net: Any) -> None:
    with pytest.raises(NetworkError, match="a network is expected"):
        trace(net, IN)


def test_a_function_that_makes_a_network_must_be_called() -> None:
    with pytest.raises(NetworkError, match=r"not resnet20 itself; call it: resnet20\(\.\.\.\)$"):
        trace(resnet20, IN)  # type: ignore[arg-type]
