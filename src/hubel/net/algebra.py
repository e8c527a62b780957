"""The algebra: four operators, and three wrappers: `gate`, `named` and `side`.

    a >> b     then     a chain
    a | b      beside   both take the same input; their outputs are concatenated along depth
    a + b      plus     both take the same input; their outputs are added
    n * a      times    n copies in a chain, each with its own parameters

    gate(a)    the input times what a says of it: squeeze and excitation

Networks are immutable values: two networks with the same notation are equal. `>>`, `|` and `+` are
associative: `a >> (b >> c)` equals `(a >> b) >> c`. The notation has Python's precedence: `*` before
`+` before `>>` before `|`. `repr` gives the notation; `hubel.net.notation.parse` is its inverse.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import ClassVar

from hubel.errors import NetworkError
from hubel.shown import Shown

MAX_LAYERS = 100_000
"""The most layers a network may have, every copy counted."""

MAX_NESTING = 50
"""The most levels to which operators, names and side heads may nest."""

GROUP = 25
"""The most parts that `repr` joins in one pair of parentheses."""


class Net(Shown):
    """A network: it maps a volume to a volume. It is a layer, or it is made of networks."""

    __slots__ = ()
    precedence: ClassVar[int] = 9
    """The precedence of the outermost operator: 9 for none, then `*`, `+`, `>>`, `|` in descending order."""

    @property
    def layers(self) -> int:
        """The number of layers, every copy counted."""
        return 1

    @property
    def nesting(self) -> int:
        """How many levels deep operators, names and side heads nest."""
        return 0

    def __rshift__(self, other: Net) -> Net:
        return Chain((self, other)) if isinstance(other, Net) else NotImplemented

    def __or__(self, other: Net) -> Net:
        return Beside((self, other)) if isinstance(other, Net) else NotImplemented

    def __add__(self, other: Net) -> Net:
        return Plus((self, other)) if isinstance(other, Net) else NotImplemented

    def __rmul__(self, copies: int) -> Net:
        if not isinstance(copies, int) or isinstance(copies, bool):
            return NotImplemented
        return Times(copies, self)

    def written(self, precedence: int) -> str:
        """Returns the notation, in parentheses where its precedence is below the given one."""
        text = repr(self)
        return text if self.precedence >= precedence else f"({text})"


@dataclass(frozen=True, slots=True, repr=False)
class _Joined(Net):
    """Two or more networks joined by an associative operator; nested joins of one operator are merged."""

    parts: tuple[Net, ...]
    layers: int = field(init=False, compare=False)
    nesting: int = field(init=False, compare=False)
    sign: ClassVar[str]

    def __post_init__(self) -> None:
        parts: list[Net] = []
        for part in self.parts:
            check_net(part)
            parts.extend(part.parts if isinstance(part, type(self)) else (part,))
        if len(parts) < 2:
            raise NetworkError(f"{type(self).__name__} joins two networks or more, not {len(parts)}")
        object.__setattr__(self, "parts", tuple(parts))
        _bound(self, sum(part.layers for part in parts), max(part.nesting for part in parts))

    def __repr__(self) -> str:
        texts = [part.written(self.precedence + 1) for part in self.parts]
        while len(texts) > GROUP:  # Python's parser cannot take thousands of operators in one flat text
            groups = [texts[first : first + GROUP] for first in range(0, len(texts), GROUP)]
            texts = [f"({self.sign.join(group)})" if len(group) > 1 else group[0] for group in groups]
        return self.sign.join(texts)


class Chain(_Joined):
    """`a >> b`: each part takes the output of the part before it."""

    __slots__ = ()
    precedence = 6
    sign = " >> "


class Beside(_Joined):
    """`a | b`: every part takes the same input; the outputs are concatenated along depth."""

    __slots__ = ()
    precedence = 5
    sign = " | "


class Plus(_Joined):
    """`a + b`: every part takes the same input; the outputs are added."""

    __slots__ = ()
    precedence = 7
    sign = " + "


@dataclass(frozen=True, slots=True, repr=False)
class Times(Net):
    """`n * a`: n copies of a network in a chain, each with its own parameters."""

    copies: int
    net: Net
    layers: int = field(init=False, compare=False)
    nesting: int = field(init=False, compare=False)
    precedence: ClassVar[int] = 8

    def __post_init__(self) -> None:
        check_net(self.net)
        if not isinstance(self.copies, int) or isinstance(self.copies, bool):
            raise NetworkError(f"the number of copies is a whole number, not {self.copies!r}")
        if self.copies < 1:
            raise NetworkError(f"{self.copies} * ... leaves no network; write at least one copy")
        _bound(self, self.copies * self.net.layers, self.net.nesting)

    def __repr__(self) -> str:
        return f"{self.copies} * {self.net.written(9)}"


@dataclass(frozen=True, slots=True, repr=False)
class Named(Net):
    """A network with a name: the path of a single layer, or the prefix of the paths of several layers."""

    name: str
    net: Net
    layers: int = field(init=False, compare=False)
    nesting: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        check_net(self.net)
        _bound(self, self.net.layers, self.net.nesting)

    def __repr__(self) -> str:
        return f'named("{self.name}", {self.net!r})'


@dataclass(frozen=True, slots=True, repr=False)
class Side(Net):
    """A side head (auxiliary classifier): it passes its input on unchanged and adds a loss in training.

    `head` maps the input to scores; their loss counts `weight` times. At inference the head is not run.
    Source: Szegedy et al. 2014, section 5.
    """

    name: str
    head: Net
    weight: float = 1.0
    layers: int = field(init=False, compare=False)
    nesting: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        check_net(self.head)
        number = isinstance(self.weight, (int, float)) and not isinstance(self.weight, bool)
        if not number or not 0 < self.weight <= sys.float_info.max:
            raise NetworkError(
                f"side {self.name!r}: the weight of its loss must be above 0, not {self.weight!r}"
            )
        object.__setattr__(self, "weight", float(self.weight))
        _bound(self, self.head.layers, self.head.nesting)

    def __repr__(self) -> str:
        return f'side("{self.name}", {self.head!r}, weight={self.weight!r})'


@dataclass(frozen=True, slots=True, repr=False)
class Gate(Net):
    """A gate: it multiplies its input, value by value, with what `branch` makes of it.

        gate(globalavgpool >> conv(8, 1) >> relu >> conv(96, 1) >> sigmoid)    squeeze and excitation
        gate(conv(1, 1) >> sigmoid)                                            one factor per place

    The branch's output has the input's rows, columns and maps, or a single one that counts for all of them.
    Source: Hu et al. 2017 (Squeeze-and-excitation networks), section 3.
    """

    branch: Net
    layers: int = field(init=False, compare=False)
    nesting: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        check_net(self.branch)
        _bound(self, self.branch.layers + 1, self.branch.nesting)

    def __repr__(self) -> str:
        return f"gate({self.branch!r})"


gate = Gate
named = Named
side = Side


def _bound(net: Net, layers: int, nesting: int) -> None:
    """Stores a network's size. Raises NetworkError: it exceeds `MAX_LAYERS` or `MAX_NESTING`."""
    if layers > MAX_LAYERS:
        raise NetworkError(f"a network of {layers:,} layers is more than the {MAX_LAYERS:,} allowed")
    if nesting >= MAX_NESTING:
        raise NetworkError(f"a network nests at most {MAX_NESTING} levels deep")
    object.__setattr__(net, "layers", layers)
    object.__setattr__(net, "nesting", nesting + 1)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise NetworkError(
            f"a name has letters, digits and _, but no digit first, such as conv2_x; not {name!r}"
        )


def check_net(net: object) -> None:
    """Raises NetworkError: the value is not a network; for a function or class, the error says to call it."""
    if not isinstance(net, Net):
        from textwrap import shorten  # for errors alone

        name = getattr(net, "__name__", "")
        what = f"{name} itself; call it: {name}(...)" if name and callable(net) else shorten(repr(net), 80)
        raise NetworkError(f"a network is expected here, such as conv(6, 5) >> relu; not {what}")
