"""The algebra: four operators that make every network of the field, and two names.

    a >> b     then     a chain
    a | b      beside   both see the same input, outputs concatenated along depth
    a + b      plus     both see the same input, outputs added
    n * a      times    n copies in a chain, each with its own parameters

Networks are immutable values. Two that are written alike are equal, and `>>`, `|` and `+` are
associative: `a >> (b >> c)` is `(a >> b) >> c`. Python's precedence is the notation's: `*` before
`+` before `>>` before `|`. `repr` is the notation; `hubel.net.notation.parse` is its inverse.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import ClassVar

from hubel.errors import NetworkError
from hubel.shown import Shown

MAX_LAYERS = 100_000
"""The most layers a network may have once its copies are written out."""

MAX_NESTING = 50
"""The most levels of operators, names and sides within one another."""

RUN = 25
"""How many parts of a chain are written side by side before parentheses group them."""


class Net(Shown):
    """A network: something that maps volumes to volumes. Either a layer or made of networks."""

    __slots__ = ()
    binds: ClassVar[int] = 9
    """How tightly the written form holds together: 9 an atom, then `*`, `+`, `>>`, `|`."""

    @property
    def layers(self) -> int:
        """How many layers the network has once its copies are written out."""
        return 1

    @property
    def nesting(self) -> int:
        """How many levels of operators, names and sides lie within one another."""
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

    def written(self, binds: int) -> str:
        """The notation, in parentheses where something that binds at least this tightly is due."""
        text = repr(self)
        return text if self.binds >= binds else f"({text})"


@dataclass(frozen=True, slots=True, repr=False)
class _Joined(Net):
    """Two networks or more under one associative operator; those of the same operator become one."""

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
        parts = [part.written(self.binds + 1) for part in self.parts]
        while len(parts) > RUN:  # a flat text of thousands of operators is more than Python's parser takes
            groups = [parts[at : at + RUN] for at in range(0, len(parts), RUN)]
            parts = [f"({self.sign.join(group)})" if len(group) > 1 else group[0] for group in groups]
        return self.sign.join(parts)


class Chain(_Joined):
    """`a >> b`: each part sees the output of the one before."""

    __slots__ = ()
    binds = 6
    sign = " >> "


class Beside(_Joined):
    """`a | b`: every part sees the same input; the outputs are concatenated along depth."""

    __slots__ = ()
    binds = 5
    sign = " | "


class Plus(_Joined):
    """`a + b`: every part sees the same input; the outputs are added."""

    __slots__ = ()
    binds = 7
    sign = " + "


@dataclass(frozen=True, slots=True, repr=False)
class Times(Net):
    """`n * a`: n copies of a network in a chain, each with parameters of its own."""

    copies: int
    net: Net
    layers: int = field(init=False, compare=False)
    nesting: int = field(init=False, compare=False)
    binds: ClassVar[int] = 8

    def __post_init__(self) -> None:
        check_net(self.net)
        if not isinstance(self.copies, int) or isinstance(self.copies, bool):
            raise NetworkError(f"the copies of a network are a whole number, not {self.copies!r}")
        if self.copies < 1:
            raise NetworkError(f"{self.copies} * ... leaves no network; write at least one copy")
        _bound(self, self.copies * self.net.layers, self.net.nesting)

    def __repr__(self) -> str:
        return f"{self.copies} * {self.net.written(9)}"


@dataclass(frozen=True, slots=True, repr=False)
class Named(Net):
    """A network with a name: the path of a single layer, the prefix of the paths of several."""

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
    """A side head: identity on the way through, `weight` times a loss of its own in training.

    At inference it is gone. Source: Szegedy et al. 2014, section 5, the auxiliary classifiers.
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
            raise NetworkError(f"side {self.name!r}: the weight of its loss is above 0, not {self.weight!r}")
        object.__setattr__(self, "weight", float(self.weight))
        _bound(self, self.head.layers, self.head.nesting)

    def __repr__(self) -> str:
        return f'side("{self.name}", {self.head!r}, weight={self.weight!r})'


named = Named
side = Side


def _bound(net: Net, layers: int, nesting: int) -> None:
    """Keeps count of a network's size, and refuses one that is too large to be meant."""
    if layers > MAX_LAYERS:
        raise NetworkError(f"a network of {layers:,} layers is more than the {MAX_LAYERS:,} allowed")
    if nesting >= MAX_NESTING:
        raise NetworkError(f"a network nests at most {MAX_NESTING} levels deep")
    object.__setattr__(net, "layers", layers)
    object.__setattr__(net, "nesting", nesting + 1)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise NetworkError(f"a name is letters, digits and _ (not first a digit), as conv2_x; not {name!r}")


def check_net(net: object) -> None:
    """Raises NetworkError: a value is no network; of a function or class, that it is to be called."""
    if not isinstance(net, Net):
        from textwrap import shorten  # for errors alone

        name = getattr(net, "__name__", "")
        what = f"{name} itself; call it: {name}(...)" if name and callable(net) else shorten(repr(net), 80)
        raise NetworkError(f"a network is expected here, such as conv(6, 5) >> relu; not {what}")
