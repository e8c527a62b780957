"""The four operators: their laws, their precedence, and their errors."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubel.errors import NetworkError
from hubel.net.algebra import MAX_LAYERS, MAX_NESTING, Beside, Chain, Net, Plus, Times, gate, named, side
from hubel.net.names import LAYERS, batchnorm, conv, dropout, fc, lrn, maxpool, relu, relu6, tanh
from tests.strategies import nets

A, B, C = conv(6, 5), relu, fc(10)
SMALL = nets(max_leaves=4)


# --- laws ----------------------------------------------------------------------------------------


@given(SMALL, SMALL, SMALL)
def test_then_beside_and_plus_are_associative(a: Net, b: Net, c: Net) -> None:
    assert a >> (b >> c) == (a >> b) >> c
    assert a | (b | c) == (a | b) | c
    assert a + (b + c) == (a + b) + c
    assert hash(a >> (b >> c)) == hash(a >> b >> c)


def test_an_operator_keeps_the_order_of_its_parts() -> None:
    assert Chain((A, B, C)) == A >> B >> C
    assert Beside((A, B, C)) == (A | B | C)
    assert Plus((A, B, C)) == A + B + C
    assert A >> B != B >> A
    assert A | B != B | A
    assert A + B != B + A


def test_the_operators_differ() -> None:
    assert len({A >> B, A | B, A + B, 2 * A, A, named("a", A), side("a", A)}) == 7


def test_copies_are_not_equal_to_a_chain_and_are_not_merged() -> None:
    """`2 * a` and `a >> a` make the same layers, but are written differently and so differ."""
    assert 2 * A != A >> A
    assert 2 * (3 * A) != 6 * A
    assert 1 * A != A


@given(nets())
def test_equality_and_hash_are_of_values(net: Net) -> None:
    for again in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert again == net
        assert hash(again) == hash(net)
        assert repr(again) == repr(net)
        assert (again.layers, again.nesting) == (net.layers, net.nesting)


def test_equal_networks_written_differently_are_equal() -> None:
    assert batchnorm() == batchnorm
    assert batchnorm(eps=1e-5) == batchnorm
    assert relu(6) == relu6
    assert dropout(0.5) == dropout
    assert conv(6, (5, 5), stride=[1, 1]) == conv(6, 5)  # type: ignore[arg-type]
    assert maxpool(2, 2) == maxpool(2)
    assert maxpool((3, 2), (3, 2)) == maxpool((3, 2))
    assert side("a", relu, 1) == side("a", relu)
    assert conv(2, 1, links=[[0], [1]]) == conv(2, 1, links=((0,), (1,)))  # type: ignore[arg-type]


# --- precedence ----------------------------------------------------------------------------------


def test_precedence_is_pythons() -> None:
    assert 2 * A + B == (2 * A) + B
    assert A + B >> C == (A + B) >> C
    assert A >> B | C == (A >> B) | C
    assert A | B >> C + 2 * A == A | (B >> (C + (2 * A)))


@given(nets())
def test_python_itself_reads_the_notation(net: Net) -> None:
    words: dict[str, Any] = {**LAYERS, "gate": gate, "named": named, "side": side, "__builtins__": {}}
    assert eval(repr(net), words) == net


@pytest.mark.parametrize(
    ("net", "text"),
    [
        (A >> B >> C, "conv(6, 5) >> relu >> fc(10)"),
        ((A | B) >> C, "(conv(6, 5) | relu) >> fc(10)"),
        (A + B >> C, "conv(6, 5) + relu >> fc(10)"),
        (A + (B >> C), "conv(6, 5) + (relu >> fc(10))"),
        (A + gate(B >> C) >> B, "conv(6, 5) + gate(relu >> fc(10)) >> relu"),
        (2 * gate(A | B), "2 * gate(conv(6, 5) | relu)"),
        (2 * (A >> B), "2 * (conv(6, 5) >> relu)"),
        (2 * A >> B, "2 * conv(6, 5) >> relu"),
        (2 * (3 * B), "2 * (3 * relu)"),
        (A | B >> C, "conv(6, 5) | relu >> fc(10)"),
        (named("a", A >> B), 'named("a", conv(6, 5) >> relu)'),
        (side("a", C, 0.3), 'side("a", fc(10), weight=0.3)'),
        (conv(6, (5, 3), pad=1, bias=False), "conv(6, (5, 3), pad=1, bias=False)"),
        (maxpool(3, 2, ceil=True), "maxpool(3, stride=2, ceil=True)"),
        (batchnorm(eps=1e-3) >> batchnorm, "batchnorm(eps=0.001) >> batchnorm"),
    ],
)
def test_the_notation_has_only_the_parentheses_it_needs(net: Net, text: str) -> None:
    assert repr(net) == text
    assert str(net) == text


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("net", "attribute"),
    [(A, "filters"), (A >> B, "parts"), (2 * A, "copies"), (named("a", A), "name"), (side("a", A), "weight")],
)
def test_networks_do_not_change(net: Net, attribute: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(net, attribute, 3)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        net.anything = 3  # type: ignore[attr-defined]


def test_an_operator_makes_a_new_value_and_leaves_its_parts() -> None:
    chain = A >> B
    longer = chain >> C
    assert chain == Chain((A, B))
    assert longer == Chain((A, B, C))


def test_layers_and_nesting_are_counted() -> None:
    net = 3 * (A >> B) >> (A | B) >> named("end", C)
    assert net.layers == 9  # 3 * 2 + 2 + 1
    assert net.nesting == 3  # a chain of copies of a chain
    assert side("aux", A >> C).layers == 2


# --- what is refused -----------------------------------------------------------------------------


def operate(text: str) -> object:
    return eval(text, {"A": A, "B": B, "__builtins__": {"True": True, "None": None}})


@pytest.mark.parametrize(
    "text",
    [
        "A >> 3",
        "3 >> A",
        "A | None",
        "A + 1",
        "1 + A",
        "A * 2",
        "True * A",
        "2.0 * A",
        "A * B",
        "A - B",
        "-A",
        "A << B",
    ],
)
def test_what_is_not_a_network_is_not_an_operand(text: str) -> None:
    with pytest.raises(TypeError):
        operate(text)


@pytest.mark.parametrize("copies", [0, -1, -(10**9)])
def test_fewer_than_one_copy_is_refused(copies: int) -> None:
    with pytest.raises(NetworkError, match="leaves no network"):
        _ = copies * relu


@pytest.mark.parametrize("name", ["", "a b", "1a", "a.b", "a-b", "a/b", 'a"', "a\n", None, 3, relu, b"a"])
def test_a_name_is_an_identifier(name: Any) -> None:
    with pytest.raises(NetworkError, match="a name has letters"):
        named(name, relu)
    with pytest.raises(NetworkError, match="a name has letters"):
        side(name, relu)


@pytest.mark.parametrize("net", [None, 3, "relu", conv, [relu], (relu,)])
def test_a_name_is_given_to_a_network(net: Any) -> None:
    with pytest.raises(NetworkError, match="a network is expected here"):
        named("a", net)
    with pytest.raises(NetworkError, match="a network is expected here"):
        side("a", net)


@pytest.mark.parametrize("weight", [0, -0.3, float("inf"), float("nan"), True, "0.3", None, 10**400, 1 + 0j])
def test_the_weight_of_a_side_head_is_above_zero(weight: Any) -> None:
    with pytest.raises(NetworkError, match="side 'aux': the weight of its loss must be above 0"):
        side("aux", relu, weight)


def test_a_network_has_a_largest_size() -> None:
    assert (MAX_LAYERS * relu).layers == MAX_LAYERS
    with pytest.raises(NetworkError, match="100,001 layers is more than the 100,000 allowed"):
        _ = (MAX_LAYERS + 1) * relu
    with pytest.raises(NetworkError, match="more than the 100,000 allowed"):
        _ = MAX_LAYERS * relu >> relu
    with pytest.raises(NetworkError, match="more than the 100,000 allowed"):
        _ = 10**9 * relu
    with pytest.raises(NetworkError, match="more than the 100,000 allowed"):
        named("a", 60_000 * relu) | 60_000 * relu


def test_nesting_has_a_limit() -> None:
    net: Net = relu
    for _ in range(MAX_NESTING):
        net = named("a", net)
    assert net.nesting == MAX_NESTING
    for text in ("named('a', net)", "side('a', net)", "2 * net", "net >> relu", "relu | net", "net + net"):
        with pytest.raises(NetworkError, match="at most 50 levels"):
            eval(text, {"net": net, "named": named, "side": side, "relu": relu})


def test_an_operator_joins_two_or_more() -> None:
    with pytest.raises(NetworkError, match="joins two networks or more"):
        Chain((relu,))
    with pytest.raises(NetworkError, match="joins two networks or more"):
        Beside(())
    assert Times(1, relu).layers == 1


# --- arguments of layers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv(0, 5)", "conv: filters is a whole number of at least 1, not 0"),
        ("conv(6.0, 5)", "conv: filters is a whole number"),
        ("conv(10**10, 5)", "at most 1,000,000,000"),
        ("conv(6, 0)", "conv: size is a whole number of at least 1"),
        ("conv(6, (5, 5, 5))", "or a pair"),
        ("conv(6, 10**10)", "at most 1,000,000,000"),
        ("conv(6, 5, stride=0)", "conv: stride"),
        ("conv(6, 5, pad=-1)", "conv: pad is a whole number of at least 0"),
        ("conv(6, 5, dilation=0)", "conv: dilation"),
        ("conv(6, 5, bias=1)", "conv: bias is True or False, not 1"),
        ("conv(6, 5, groups=4)", "6 filters cannot be cut into 4 equal groups"),
        ("conv(2, 5, links=((0,),))", "one entry for each of the 2 filters"),
        ("conv(2, 5, links=((0,), ()))", r"links\[1\]"),
        ("conv(2, 5, links=((0,), (1, 1)))", r"links\[1\]"),
        ("conv(2, 5, links=((0,), (-1,)))", r"links\[1\]"),
        ("conv(2, 5, links=((0,), ([1],)))", r"links\[1\]"),
        ("conv(2, 5, links=((0,), 1))", r"links\[1\]"),
        ("conv(2, 5, links=((0,), (True,)))", r"links\[1\]"),
        ("conv(2, 5, groups=2, links=((0,), (1,)))", "exclude each other"),
        ("maxpool(2, pad=2)", "pad is at most 1, half the size, not 2"),
        ("avgpool((3, 2), pad=(1, 2))", "pad is at most 1, half the size, not"),
        ("maxpool(2, ceil=1)", "maxpool: ceil is True or False"),
        ("maxpool(2, stride=0)", "maxpool: stride"),
        ("adaptiveavgpool(0, 1)", "adaptiveavgpool: height"),
        ("adaptiveavgpool(1, '1')", "adaptiveavgpool: width"),
        ("subsample(0)", "subsample: size"),
        ("subsample(size=2, stride=2)", "subsample has no stride; it has size"),
        ("fc(-1)", "fc: units"),
        ("fc(1, bias=None)", "fc: bias"),
        ("rbf(0)", "rbf: units"),
        ("padshortcut(0)", "padshortcut: filters"),
        ("padshortcut(4, 0)", "padshortcut: stride"),
        ("relu(0)", "relu: limit"),
        ("relu(10**400)", "relu: limit"),
        ("relu(6, 7)", "relu takes 1 arguments at most, not 2"),
        ("tanh(-1)", "tanh: amplitude is a number of at least 0, not -1"),
        ("tanh(1, float('nan'))", "tanh: slope"),
        ("lrn(0)", "lrn: size"),
        ("lrn(5, size=3)", "lrn: size is given twice"),
        ("lrn(alpha=float('inf'))", "lrn: alpha"),
        ("batchnorm(momentum=1.5)", "batchnorm: momentum is a number from 0 to 1, not 1.5"),
        ("batchnorm(epsilon=1)", "batchnorm has no epsilon; it has eps, momentum"),
        ("dropout(-0.1)", "dropout: p is a number from 0 to 1"),
        ("dropout('half')", "dropout: p"),
        ("softmax(1)", "softmax takes 0 arguments at most"),
        ("identity(depth=1)", "identity has no depth; it has no arguments"),
    ],
)
def test_a_layer_checks_its_arguments(text: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        eval(text, {**LAYERS, "float": float, "__builtins__": {}})


@given(st.integers(1, 9), st.integers(1, 9))
def test_a_ready_layer_takes_positional_and_keyword_arguments(size: int, other: int) -> None:
    assert lrn(size) == lrn(size=size)
    assert lrn(size)(size=other) == lrn(other)
    assert tanh(size, other) == tanh(slope=other, amplitude=size)
