"""The walk backwards: steps become the network whose trace they are.

Layers in a graph are a network if the graph is series-parallel: wherever values part, they meet again, and
between the two places no branch reads from another. The place where the inputs of a join part is their
nearest common dominator. Names are those of the steps, as far as the notation allows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TypeAlias

from hubel.errors import NetworkError
from hubel.net.algebra import Beside, Chain, Gate, Named, Net, Plus
from hubel.net.layer import Layer
from hubel.net.layers import Add, Concat, Identity, Multiply
from hubel.net.trace import INPUT, Step, at_inference

Joining: TypeAlias = "type[Beside] | type[Plus] | type[Gate]"

JOINED: dict[type[Layer], Joining] = {Concat: Beside, Add: Plus, Multiply: Gate}
"""The operator that makes each kind of join."""


class TangledError(NetworkError):
    """Steps that no notation can be written for; `path` is the step at which branches cross."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the branches that read {path} do not part at one place and meet at one: no notation of >>, |, "
            "+ and gate has such a graph"
        )
        self.path = path


@dataclass(frozen=True, slots=True)
class Untraced:
    """A network, and for each step with its own layer the path that it has in the network's trace."""

    net: Net
    paths: dict[str, str]


def untrace(steps: Sequence[Step], end: str = "", *, taken: Collection[str] = ()) -> Untraced:
    """Returns the network that has these steps, in which side heads and what nothing reads are left out.

    `end` is the step that gives the result, by default the last one. `taken` are names that no part may have.
    Parts of a path that are no names become some: `layer1.0` becomes `layer1._0`. An `identity` is added
    where a branch has no layer.

    Raises TangledError: the steps are not series-parallel. Raises NetworkError: more layers or levels than a
    network may have.
    """
    graph = _Graph(steps, end)
    parts = graph.between(INPUT, graph.end)
    scope = _Scope(taken=frozenset({INPUT, *taken}))
    named = scope.arrange(parts, 0)
    return Untraced(_chain(named), scope.paths())


# --- the graph as a tree of chains and joins -----------------------------------------------------


@dataclass(slots=True, eq=False)
class _Leaf:
    """One layer, with the parts of its path, or none where no step was; `_Scope` gives it its name."""

    layer: Layer
    words: tuple[str, ...] = ()
    path: str = ""
    name: str = ""
    automatic: bool = False


@dataclass(slots=True, eq=False)
class _Join:
    """Branches that begin at one place and are joined."""

    kind: Joining
    branches: list[list[_Part]]


@dataclass(slots=True, eq=False)
class _Group:
    """Parts under one name."""

    name: str
    parts: list[_Part]


_Part: TypeAlias = "_Leaf | _Join | _Group"


class _Graph:
    """The steps that lead to the end, each with the nearest step that all ways to it pass."""

    def __init__(self, steps: Sequence[Step], end: str) -> None:
        own = at_inference(tuple(steps))
        self.end = end or (own[-1].path if own else INPUT)
        self.steps = {step.path: step for step in _nested(own)}
        self.order = _leading_to(self.end, self.steps)
        self._above: dict[str, str] = {}
        self._depth = {INPUT: 0}
        for path in self.order:
            above = self._common(self.steps[path].sources)
            self._above[path], self._depth[path] = above, self._depth[above] + 1
        self._placed: set[str] = set()

    def between(self, start: str, end: str) -> list[_Part]:
        """Returns the parts that lead from one step's output to another's. Raises TangledError."""
        parts: list[_Part] = []
        at = end
        while at != start:
            if at in self._placed:
                raise TangledError(at)
            self._placed.add(at)
            step = self.steps[at]
            if type(step.layer) in JOINED:
                at, join = self._join(JOINED[type(step.layer)], step.sources)
                parts.append(join)
            else:
                parts.append(_Leaf(step.layer, tuple(map(_legal, step.path.split("."))), step.path))
                at = step.sources[0]
        return parts[::-1]

    def _join(self, kind: Joining, sources: Sequence[str]) -> tuple[str, _Join]:
        """Returns where the branches of a join part, and the join.

        Branches that part further on are joined among themselves first, which gives the same values.
        """
        parting = self._common(sources)
        if kind is Gate:
            if sources[0] != parting:
                raise TangledError(sources[0])
            branch = self.between(parting, sources[1])
            return parting, _Join(kind, [branch or [_Leaf(Identity())]])
        firsts = [self._first_behind(parting, source) for source in sources]
        if kind is Plus:  # a sum has no order
            ordered = sorted(range(len(sources)), key=lambda at: firsts.index(firsts[at]))
            sources, firsts = [sources[at] for at in ordered], [firsts[at] for at in ordered]
        branches: list[list[_Part]] = []
        for first, group in groupby(zip(firsts, sources, strict=True), key=lambda pair: pair[0]):
            ends = [source for _, source in group]
            if len(ends) == 1 or first == parting:
                branches += [self.between(parting, end) for end in ends]
            else:
                at, join = self._join(kind, ends)
                branches.append([*self.between(parting, at), join])
        return parting, _Join(kind, [branch or [_Leaf(Identity())] for branch in branches])

    def _first_behind(self, parting: str, path: str) -> str:
        """Returns the first step behind `parting` that all ways to `path` pass, or `parting` itself."""
        while path != parting and self._above[path] != parting:
            path = self._above[path]
        return path

    def _common(self, paths: Sequence[str]) -> str:
        """Returns the nearest step that all ways to all of these steps pass."""
        found = paths[0]
        for path in paths[1:]:
            other = path
            while found != other:
                if self._depth[found] >= self._depth[other]:
                    found = self._above[found]
                else:
                    other = self._above[other]
        return found


def _nested(steps: Sequence[Step]) -> Iterator[Step]:
    """Yields the steps; a concatenation that begins with all of an earlier one takes that one instead.

    DenseNet's layers each concatenate all layers before: `a, b`, then `a, b, c`.
    """
    known: dict[tuple[str, ...], str] = {}
    for step in steps:
        sources = step.sources
        if isinstance(step.layer, Concat):
            for count in range(len(sources) - 1, 1, -1):
                if sources[:count] in known:
                    sources = (known[sources[:count]], *sources[count:])
                    break
            known.setdefault(step.sources, step.path)
        yield replace(step, sources=sources)


def _leading_to(end: str, steps: dict[str, Step]) -> list[str]:
    """Returns the paths of the steps that lead to the end, in order."""
    needed = {end}
    for path in reversed(steps):
        if path in needed:
            needed.update(steps[path].sources)
    return [path for path in steps if path in needed]


# --- names ---------------------------------------------------------------------------------------


def _legal(word: str) -> str:
    """Returns a part of a path as a name: `0` as `_0`, `conv-1` as `conv_1`."""
    name = re.sub(r"\W", "_", word) or "_"
    return name if name.isidentifier() else f"_{name}"


@dataclass(slots=True)
class _Scope:
    """The names of one level, and the leaves there, in the order of the trace.

    A leaf's name is left out where the trace gives it the same one.
    """

    prefix: str = ""
    taken: frozenset[str] = frozenset()
    used: set[str] = field(default_factory=set)
    leaves: list[_Leaf] = field(default_factory=list)
    inner: list[_Scope] = field(default_factory=list)

    def arrange(self, parts: list[_Part], depth: int) -> list[_Part]:
        """Returns the parts with those under one name grouped, and every leaf named."""
        arranged = self._grouped(parts, depth)
        self._leave_out(arranged)
        return arranged

    def paths(self) -> dict[str, str]:
        """Returns the new path of each leaf by its old one."""
        found = {leaf.path: self.prefix + leaf.name for leaf in self.leaves if leaf.path}
        for scope in self.inner:
            found |= scope.paths()
        return found

    def _grouped(self, parts: list[_Part], depth: int) -> list[_Part]:
        found: list[_Part] = []
        for word, run in groupby(parts, key=lambda part: _scope_word(part, depth)):
            if word:
                name = self._free(word)
                inner = _Scope(f"{self.prefix}{name}.", self.taken)
                self.inner.append(inner)
                found.append(_Group(name, inner.arrange(list(run), depth + 1)))
                continue
            for part in run:
                if isinstance(part, _Leaf):
                    part.name = self._free("_".join(part.words[depth:])) if part.path else ""
                    self.leaves.append(part)
                    found.append(part)
                elif isinstance(part, _Join):
                    found.append(_Join(part.kind, [self._grouped(each, depth) for each in part.branches]))
        return found

    def _free(self, name: str) -> str:
        """Returns the name, with a number where it is taken."""
        found, number = name, 1
        while found in self.used or found in self.taken:
            number += 1
            found = f"{name}_{number}"
        self.used.add(found)
        return found

    def _leave_out(self, arranged: list[_Part]) -> None:
        """Marks the leaves to which the trace gives their names itself."""
        if len(arranged) == 1 and isinstance(arranged[0], _Leaf) and self.prefix:
            return  # a single layer in a group would take the group's name
        kinds: dict[str, list[_Leaf]] = {}
        for leaf in self.leaves:
            kind = leaf.layer.kind
            if not leaf.path or re.fullmatch(rf"{kind}[1-9]\d*", leaf.name):
                kinds.setdefault(kind, []).append(leaf)
        for kind, leaves in kinds.items():
            explicit = self.used - {leaf.name for leaf in leaves}
            number = 0
            for leaf in leaves:
                number += 1
                while f"{kind}{number}" in explicit:
                    number += 1
                if leaf.path and leaf.name != f"{kind}{number}":
                    break
            else:
                for leaf in leaves:
                    leaf.automatic = True


def _scope_word(part: _Part, depth: int) -> str:
    """Returns the name at this level under which all leaves of a part are, or an empty text."""
    words = {leaf.words[depth] if len(leaf.words) > depth + 1 else "" for leaf in _leaves(part) if leaf.path}
    return words.pop() if len(words) == 1 else ""


def _leaves(part: _Part) -> Iterator[_Leaf]:
    match part:
        case _Leaf():
            yield part
        case _Join():
            for branch in part.branches:
                for inner in branch:
                    yield from _leaves(inner)
        case _Group():
            for inner in part.parts:
                yield from _leaves(inner)


# --- the network ---------------------------------------------------------------------------------


def _chain(parts: Sequence[_Part]) -> Net:
    """Returns the network of parts one after the other."""
    nets = [_net(part) for part in parts] or [Identity()]
    return Chain(tuple(nets)) if len(nets) > 1 else nets[0]


def _net(part: _Part) -> Net:
    match part:
        case _Leaf():
            return Named(part.name, part.layer) if part.name and not part.automatic else part.layer
        case _Join():
            nets = tuple(_chain(branch) for branch in part.branches)
            return Gate(nets[0]) if issubclass(part.kind, Gate) else part.kind(nets)
        case _Group():
            return Named(part.name, _chain(part.parts))
