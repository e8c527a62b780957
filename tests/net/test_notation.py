"""Text to network and back; any other text is refused without being executed."""

from __future__ import annotations

import inspect
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubel.errors import NotationError
from hubel.net.algebra import MAX_LAYERS, MAX_NESTING, Beside, Chain, Net, Plus, gate, named, side
from hubel.net.names import conv, fc, globalavgpool, identity, relu, sigmoid
from hubel.net.notation import MAX_TEXT, parse
from hubel.net.volume import Volume
from tests.strategies import fitting_nets, nets

if TYPE_CHECKING:
    from pathlib import Path


def refused(text: str) -> str:
    with pytest.raises(NotationError) as caught:
        parse(text)
    return str(caught.value)


def caret(message: str) -> str:
    """The text from the caret on."""
    *_, shown, below = message.split("\n")
    assert below.strip() == "^"
    assert len(shown) <= 78  # two spaces and 76 characters
    return shown[below.index("^") :]


# --- there and back ------------------------------------------------------------------------------


@given(nets(max_leaves=20))
@example(named("größe", relu) >> side("слой", fc(10), 1e-3))
def test_parse_is_the_inverse_of_repr(net: Net) -> None:
    text = repr(net)
    again = parse(text)
    assert again == net
    assert repr(again) == text
    assert (again.layers, again.nesting) == (net.layers, net.nesting)


@given(fitting_nets())
def test_networks_that_fit_their_input_are_read_back_too(pair: tuple[Net, Volume]) -> None:
    assert parse(repr(pair[0])) == pair[0]


@pytest.mark.parametrize("kind", [Chain, Beside, Plus])
@pytest.mark.parametrize("parts", [2, 25, 26, 27, 625, 626, 651, 5000])
def test_long_chains_are_read_back(kind: type[Chain | Beside | Plus], parts: int) -> None:
    net = kind((*(relu,) * (parts - 1), conv(6, 5)))
    assert parse(repr(net)) == net


def test_the_deepest_network_is_read_back() -> None:
    """The most levels allowed, each a long chain that begins with the level below."""
    net: Net = relu
    for level in range(MAX_NESTING - 1):
        net = (Chain, Beside, Plus)[level % 3]((net, *(identity,) * 1300))
    deepest = named("a", net)
    assert parse(repr(deepest)) == deepest


@given(nets(), st.data())
def test_white_space_and_line_breaks_do_not_matter(net: Net, data: st.DataObject) -> None:
    spaces = st.text(" \t\n\r\f", min_size=1, max_size=3)
    text = "".join(data.draw(spaces) if letter == " " else letter for letter in repr(net))
    assert parse(f"\n  {text}\n") == net


@pytest.mark.parametrize(
    ("text", "net"),
    [
        ("relu", relu),
        ("((relu))", relu),
        ("relu()", relu),
        ("conv(filters=6,size=5)", conv(6, 5)),
        ("conv(6, [5, 3])", conv(6, (5, 3))),
        ("conv(0x6, +5)", conv(6, 5)),
        ("named(net=relu, name='a')", named("a", relu)),
        ("side('a', relu, 0.3)", side("a", relu, 0.3)),
        ("relu>>relu|relu+2*relu", relu >> relu | relu + 2 * relu),
        ("conv(2, 1, links=((0,), (0, 1)))", conv(2, 1, links=((0,), (0, 1)))),
        ("conv(6, 5, pad=[2, 2, 1, 1])", conv(6, 5, pad=(2, 1))),
        ("gate(branch=globalavgpool>>sigmoid)", gate(globalavgpool >> sigmoid)),
        ("relu+gate(relu|sigmoid)>>relu", (relu + gate(relu | sigmoid)) >> relu),
    ],
)
def test_what_people_type_is_read(text: str, net: Net) -> None:
    assert parse(text) == net


# --- nothing is run ------------------------------------------------------------------------------

HOSTILE = [
    "__import__('os').system('true')",
    "__import__",
    "exec('x = 1')",
    "eval('relu')",
    "open('x')",
    "relu.__class__",
    "relu.__class__.__mro__",
    "conv.__init__",
    "(lambda: relu)()",
    "lambda: relu",
    "[relu for _ in range(9)]",
    "[relu][0]",
    "{relu}",
    "{'a': relu}",
    "(relu, relu)",
    "(relu for _ in ())",
    "f'{relu}'",
    "f'{__import__(\"os\")}'",
    "(x := relu)",
    "relu if True else relu",
    "relu and relu",
    "relu or relu",
    "not relu",
    "-relu",
    "~relu",
    "relu == relu",
    "relu < relu",
    "relu << relu",
    "relu & relu",
    "relu ^ relu",
    "relu - relu",
    "relu / relu",
    "relu // relu",
    "relu % relu",
    "relu @ relu",
    "relu ** 2",
    "relu * 2",
    "relu * relu",
    "2 * 3 * relu",
    "2.0 * relu",
    "True * relu",
    "(1 + 1) * relu",
    "10**9 * relu",
    "-1 * relu",
    "0 * relu",
    "'2' * relu",
    "await relu",
    "yield",
    "*relu",
    "relu,",
    "...",
    "None",
    "1",
    "'relu'",
    "b'relu'",
    "1j * relu",
    "relu; relu",
    "x = relu",
    "import os",
    "print(1)",
    "conv",
    "named",
    "side",
    "conv()",
    "conv(6)",
    "conv(6, 5)(6, 5)",
    "relu()()",
    "conv(*[6, 5])",
    "conv(**{'filters': 6})",
    "conv(6, relu)",
    "conv(6, 5 + 1)",
    "conv(6, 2**3)",
    "conv(6, int('5'))",
    "conv(6, f'5')",
    "conv(6, (x for x in (1, 2)))",
    "conv(6, 5, 1, 0, 1, True, 1, None, 3)",
    "conv(6, 5, filters=3)",
    "conv(6, 5, pad=1, pad=2)",
    "conv(6, 5, strid=2)",
    "conv(6, 5, **{})",
    "conv(6, {})",
    "conv(6, 'five')",
    "conv(6, ...)",
    "conv(6, 5j)",
    "conv(6, (((5))), links=(([1],),))",
    "relu(limit=1e999)",
    "relu(limit=" + "9" * 400 + ")",
    "relu(" + "9" * 5000 + ")",
    "conv(0x" + "f" * 5000 + ", 5)",
    "conv(-0x" + "f" * 5000 + ", 5)",
    "0x" + "f" * 5000 + " * relu",
    "named('a', relu, weight=0x" + "f" * 5000 + ")",
    "named(relu, 'a')",
    "named('a')",
    "named('a', relu, relu)",
    "named('a', 3)",
    "named('a b', relu)",
    "named('a', [relu])",
    "named('a', *[relu])",
    "named('a', lambda: relu)",
    "side('a', relu, weight=0)",
    "side('a', relu, weight=-1)",
    "side('a', relu, weight='x')",
    "side('a', relu, weight=relu)",
    "gate",
    "gate()",
    "gate(3)",
    "gate(relu, relu)",
    "gate('a', relu)",
    "conv(6, 5, pad=(1, 2, 3))",
    "conv(6, 5, pad=(1, 2, 3, -1))",
    "conv(6, 5, pad_mode='mirror')",
    "conv(6, 5, pad='same', ceil=True)",
    "maxpool(2, pad='same')",
    "maxpool(2, pad=(0, 1, 0, 1), ceil=True)",
    "maxpool(2, pad=(0, 2, 0, 0))",
    "convtranspose(6, 2, output_pad=1)",
    "convtranspose(6, 2, groups=4)",
    "upsample(0)",
    "upsample(2, 'cubic')",
    "part(3, 2)",
    "part(0, 2)",
    "part(2, 4, to=1)",
    "part(2, 4, to=5)",
    "shuffle(0)",
    "lrn(4, within=True)",
    "droppath(1.5)",
    "concat",
    "add",
    "sidehead",
    "Conv(6, 5)",
    "Net",
    "LAYERS",
    "relu # and no more",
    "relu\n# a comment\n>> relu",
    "relu \\ \n >> relu",
    "relu\0",
    "\0",
    "\ufeffrelu",
    "\ud800",
    "re\u200blu",
    "relu » relu",
    "relu → relu",
    "🙂",
    "(",
    ")",
    "relu >>",
    ">> relu",
    "relu >> >> relu",
    "relu relu",
    "conv(6, 5",
    "conv(6,, 5)",
    "'",
    '"""',
    "\\",
    "$",
    "?",
    "`relu`",
    "1_000 * relu >",
    "1if 2else 3",
    "'\\d'",
    "0777",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_not_a_network_is_refused(text: str) -> None:
    refused(text)


def test_no_text_is_executed(tmp_path: Path) -> None:
    here = tmp_path / "here"
    code = f"__import__('pathlib').Path({str(here)!r}).touch()"
    for text in (
        code,
        f"conv(6, {code})",
        f"named({code}, relu)",
        f"named('a', {code})",
        f"{code} * relu",
        f"relu >> {code}",
        f"f'{{{code}}}'",
        f"conv(6, f'{{{code}}}')",
        f"[{code} for _ in (1,)]",
        f"(lambda: {code})()",
        f"conv(6, 5, **{code})",
    ):
        refused(text)
    assert not here.exists()


@pytest.mark.parametrize(
    "text",
    [
        "(" * 150 + "relu" + ")" * 149,
        "(" * 5000 + "relu" + ")" * 5000,
        "[" * 100_000,
        "-" * 100_000 + "5",
        "not " * 50_000 + "relu",
        "relu" + ".a" * 50_000,
        "relu" + "(1)" * 20_000,
        "relu" + "[0]" * 20_000,
        "2*" * 50_000 + "relu",
        "lambda:" * 50_000 + "relu",
        "conv(6, " + "-" * 5_000 + "5)",
        "conv(6, " + "(" * 190 + "5," + "),)" * 190,
        'named("a",' * 190 + "relu" + ")" * 190,
        "2*(" * 190 + "relu" + ")" * 190,
        "(relu|" * 190 + "relu" + ">>relu)" * 190,
        "relu >> " * 100_000 + "relu",
        "9" * 100_000,
        "x" * 100_000,
    ],
    ids=lambda text: text[:12],
)
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    refused(text)


def test_a_deep_text_is_refused_from_a_deep_stack_too() -> None:
    """The reader may run out of recursion before the limit on nesting is reached."""

    def from_depth(frames: int) -> str:
        return from_depth(frames - 1) if frames else refused('named("a",' * 190 + "relu" + ")" * 190)

    assert "nest" in from_depth(sys.getrecursionlimit() - len(inspect.stack()) - 300)


def test_limits_are_checked_before_anything_is_expanded() -> None:
    assert f"at most {MAX_TEXT:,} characters, not {MAX_TEXT + 1:,}" in refused(" " * (MAX_TEXT + 1))
    assert parse(f"{MAX_LAYERS} * relu").layers == MAX_LAYERS
    for text in (
        f"{MAX_LAYERS + 1} * relu",
        f"{10**9} * relu",
        f"relu >> {MAX_LAYERS} * relu",
        "1000 * (1000 * relu)",
        f"{MAX_LAYERS} * ({MAX_LAYERS} * ({MAX_LAYERS} * relu))",
    ):
        assert f"more than the {MAX_LAYERS:,} allowed" in refused(text)
    assert "at most 1,000,000,000" in refused(f"{10**9 + 1} * relu")


@given(st.text(max_size=40))
@example("\x00")
@example("relu\r")
def test_any_text_is_a_network_or_a_notation_error(text: str) -> None:
    try:
        net = parse(text)
    except NotationError:
        return
    assert parse(repr(net)) == net


@given(nets(max_leaves=6), st.data())
def test_a_changed_notation_is_a_network_or_a_notation_error(net: Net, data: st.DataObject) -> None:
    text = repr(net)
    at = data.draw(st.integers(0, len(text)))
    gone = data.draw(st.integers(0, 3))
    new = data.draw(st.text("()[],.*+|>=-'\"#\\ 0159aenrx_\n:", max_size=3))
    slipped = text[:at] + new + text[at + gone :]
    try:
        net = parse(slipped)
    except NotationError:
        return
    assert parse(repr(net)) == net


# --- where, what, and what would fit -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("relo", "relo", "there is no layer relo; did you mean relu?"),
        ("conv(6, 5) >> rellu >> fc(10)", "rellu >> fc(10)", "did you mean relu?"),
        ("conv(6, 5) >> maxpol(2)", "maxpol(2)", "did you mean maxpool?"),
        ("nmaed('a', relu)", "nmaed('a', relu)", "did you mean named?"),
        ("relu >> zzz", "zzz", "there are conv, convtranspose, maxpool"),
        ("conv(6, 5, strid=2)", "conv(6", "did you mean stride?"),
        ("relu >> conv(6)", "conv(6)", "write conv(filters, size, stride=1, pad=0"),
        ("relu >> conv", "conv", "conv needs arguments: conv(filters, size"),
        ("relu >> side", "side", "side needs arguments: side(name, head, weight=1.0)"),
        ("relu >> conv(6, 0)", "conv(6, 0)", "size is a whole number of at least 1"),
        ("relu >> conv(6, x)", "x)", "an argument of conv is a number"),
        ("fc(10**9)", "10**9", "an argument of fc is a number written out"),
        ("relu >> 0 * relu", "0 * relu", "write at least one copy"),
        ("relu >> fc(2) * 2", "fc(2) * 2", "stands left of *"),
        ("relu >> 3", "3", "a network is expected here"),
        ("relu - relu", "relu - relu", "the operators are"),
        ("relu >> lrn(beta=0.5, beta=1)", "1)", "beta is given twice"),
        ("relu >> lrn(5, size=3)", "lrn(5", "size is given twice"),
        ("relu # rest", "# rest", "no comments"),
        ("relu >> named('1a', relu)", "named('1a'", "a name has letters"),
        ("relu >> 99999999999 * relu", "99999999999", "at most 1,000,000,000"),
        ("named('größe', relu) >> relo", "relo", "did you mean relu?"),
        ("named('слой', relu) >> conv(6, x)", "x)", "an argument of conv"),
        ("relu >>  \n\n conv(6,5) >> relo", "relo", "did you mean relu?"),
        ("relu >> " * 30 + "relo" + " >> relu" * 30, "relo >> relu", "did you mean relu?"),
    ],
)
def test_an_error_shows_its_place_and_a_remedy(text: str, place: str, says: str) -> None:
    message = refused(text)
    assert says in message.split("\n")[0]
    assert caret(message).startswith(place)


def test_a_syntax_error_shows_its_place() -> None:
    assert caret(refused("relu >> >> relu")) == ">> relu"
    assert caret(refused("relu >> (relu | relu")).startswith("(")
    assert "empty" in refused("   \n ")


def test_the_caret_counts_characters_not_bytes() -> None:
    """Columns are characters: letters of several bytes before the place do not move the caret."""
    for letter in "aéж名":
        assert unicodedata.category(letter).startswith("L")
        shown, below = refused(f'named("{letter * 9}", relu) >> relo').split("\n")[1:]
        assert below.index("^") == shown.index("relo")
