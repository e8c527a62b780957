"""The one walk: a network and an input volume become a flat, ordered tuple of steps.

Every size is resolved here, once; readers never compute one again. Paths are made here too: a
layer without a name takes its kind and a running number (`conv1`, `relu1`, `conv2`), `named`
gives a layer its path or several layers their prefix, and inside `n *` a name takes a running
number as well, since it stands there n times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from hubel.errors import NetworkError, SizeError
from hubel.net.algebra import Beside, Chain, Named, Net, Plus, Side, Times, check_net
from hubel.net.layer import Layer
from hubel.net.layers import Add, Concat, SideHead
from hubel.net.volume import Volume, VolumeLike

INPUT = "input"
"""The path of the volume that goes in."""


@dataclass(frozen=True, slots=True)
class Step:
    """One layer in its place: `inputs` come from the paths `sources`; `side` is the side head it is in."""

    path: str
    layer: Layer
    sources: tuple[str, ...]
    inputs: tuple[Volume, ...]
    output: Volume
    side: str = ""


class UnfitError(SizeError):
    """A network that does not fit its input; `steps` are those before the layer that does not."""

    def __init__(self, message: str, steps: tuple[Step, ...]) -> None:
        super().__init__(message)
        self.steps = steps


def trace(net: Net, volume: VolumeLike, *, strict: bool = False) -> tuple[Step, ...]:
    """Walks a network over an input and returns its steps in the order they run.

    `strict` refuses windows that do not divide their padded input: where rounding down leaves a
    part of it unseen, be it padding alone.

    Raises UnfitError: a layer does not fit; its `steps` are those before that layer.
    Raises NetworkError: two parts have one name.
    """
    check_net(net)
    walk = _Walk(strict)
    walk.run(net, _Place(INPUT, Volume.of(volume)), _Scope("", _names(net)))
    return tuple(walk.steps)


def refuse_remainder(layer: Layer, seen: Volume) -> None:
    """Raises SizeError: the layer's window does not divide what it sees, and leaves some unseen."""
    window = layer.window(seen)
    if window.dropped(seen.plane):
        raise SizeError(f"{window.quotient(seen.plane)}.\n  {window.remedies(seen, layer.most_pad)}")


def at_inference(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps without the side heads, which are there in training only."""
    return tuple(step for step in steps if not step.side)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk stands: the volume that flows, and the path it comes from."""

    path: str
    volume: Volume


@dataclass(slots=True)
class _Scope:
    """The names of one level: `explicit` are those the network gives, `counts` number the rest."""

    prefix: str
    explicit: frozenset[str]
    side: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    used: set[str] = field(default_factory=set)

    def automatic(self, kind: str) -> str:
        """The next free path of this kind."""
        while True:
            self.counts[kind] += 1
            name = f"{kind}{self.counts[kind]}"
            if name not in self.explicit:
                return self.prefix + name

    def given(self, name: str, *, copied: bool) -> str:
        """The path of an explicit name, numbered where it stands in copies."""
        if copied:
            self.counts[f"{name} copies"] += 1
            name = f"{name}{self.counts[f'{name} copies']}"
        if name in self.used or (not self.prefix and name == INPUT):
            where = f" in {self.prefix.rstrip('.')}" if self.prefix else ""
            owner = "is the input's own name" if name == INPUT else "stands for two parts"
            raise NetworkError(f"the name {name!r} {owner}{where}; give each part its own")
        self.used.add(name)
        return self.prefix + name


@dataclass(slots=True)
class _Walk:
    """The state of one walk."""

    strict: bool
    steps: list[Step] = field(default_factory=list)

    def run(self, net: Net, place: _Place, scope: _Scope, *, copied: bool = False) -> _Place:
        """Walks one network from a place and returns where it ends."""
        match net:
            case Layer():
                return self._step(net, scope.automatic(net.kind), (place,), scope)
            case Chain():
                for part in net.parts:
                    place = self.run(part, place, scope, copied=copied)
                return place
            case Times():
                for _ in range(net.copies):
                    place = self.run(net.net, place, scope, copied=True)
                return place
            case Beside() | Plus():
                ends = tuple(self.run(part, place, scope, copied=copied) for part in net.parts)
                join = Concat() if isinstance(net, Beside) else Add()
                return self._step(join, scope.automatic(join.kind), ends, scope)
            case Named():
                path = scope.given(net.name, copied=copied)
                if isinstance(net.net, Layer):
                    return self._step(net.net, path, (place,), scope)
                return self.run(net.net, place, _Scope(f"{path}.", _names(net.net), scope.side))
            case Side():
                path = scope.given(net.name, copied=copied)
                inner = _Scope(f"{path}.", _names(net.head), scope.side or path)
                end = self.run(net.head, place, inner)
                self._step(SideHead(net.weight), path, (end,), inner)
                return place
        raise NetworkError(f"{net!r} is no network")

    def _step(self, layer: Layer, path: str, places: tuple[_Place, ...], scope: _Scope) -> _Place:
        volumes = tuple(place.volume for place in places)
        try:
            output = layer.output(*volumes)
            if self.strict:
                refuse_remainder(layer, volumes[0])
        except SizeError as error:
            raise UnfitError(_complaint(path, places, str(error)), tuple(self.steps)) from None
        sources = tuple(place.path for place in places)
        self.steps.append(Step(path, layer, sources, volumes, output, scope.side))
        return _Place(path, output)


def _complaint(path: str, places: tuple[_Place, ...], why: str) -> str:
    """What does not fit, where and why; for a join, which branch has which size."""
    if len(places) == 1:
        return f"{path} does not fit {places[0].volume}: {why}"
    branches = "\n".join(
        f"  branch {number} ends in {place.path}: {place.volume}" for number, place in enumerate(places, 1)
    )
    return f"{path} does not fit: {why}.\n{branches}"


def _names(net: Net) -> frozenset[str]:
    """The explicit names at the level of `net`, which automatic paths keep clear of."""
    names: set[str] = set()
    copied: Counter[str] = Counter()
    for name, copies in _explicit(net, 0):
        if copies:
            copied[name] += copies
        else:
            names.add(name)
    return frozenset(names.union(f"{name}{n}" for name in copied for n in range(1, copied[name] + 1)))


def _explicit(net: Net, copies: int) -> Iterator[tuple[str, int]]:
    """The names at the level of `net`, and how many copies of each; 0 where it is not copied."""
    match net:
        case Chain() | Beside() | Plus():
            for part in net.parts:
                yield from _explicit(part, copies)
        case Times():
            yield from _explicit(net.net, max(1, copies) * net.copies)
        case Named() | Side():
            yield net.name, copies
        case _:
            pass
