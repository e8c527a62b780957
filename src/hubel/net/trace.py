"""The one walk: a network and an input volume become a flat, ordered tuple of steps.

Every size is computed here, once; readers never compute one again. Paths are assigned here too: a layer
without a name gets its kind and a running number (`conv1`, `relu1`, `conv2`), and `named` gives a layer its
path or several layers their prefix. Within `n *` a name occurs n times and gets a running number as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from hubel.errors import NetworkError, SizeError
from hubel.net.algebra import Beside, Chain, Gate, Named, Net, Plus, Side, Times, check_net
from hubel.net.layer import Layer
from hubel.net.layers import Add, Concat, Multiply, SideHead, Softmax
from hubel.net.volume import Volume, VolumeLike

INPUT = "input"
"""The path of the network's input."""


@dataclass(frozen=True, slots=True)
class Step:
    """One layer of a traced network.

    `inputs` are the volumes it takes, `sources` the paths that they come from, and `output` is its output.
    `side` is the path of the side head it belongs to, or empty.
    """

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


class UnreadError(NetworkError):
    """A file whose network is not wholly made of known layers; `steps` are those before the first unknown."""

    def __init__(self, message: str, steps: tuple[Step, ...] = ()) -> None:
        super().__init__(message)
        self.steps = steps


def trace(net: Net, volume: VolumeLike, *, strict: bool = False) -> tuple[Step, ...]:
    """Returns the steps of a network on an input volume, in the order in which they run.

    `volume` is height x width x depth: `"224x224x3"` or `(224, 224, 3)`. `strict` refuses windows that do not
    divide their padded input, so that rounding down leaves a part of it unused, even if only padding.

    Raises UnfitError: a layer does not fit; its `steps` are those before that layer.
    Raises NetworkError: two parts have the same name, or the value is not a network.
    """
    check_net(net)
    walk = _Walk(strict)
    walk.run(net, _Place(INPUT, Volume.of(volume)), _Scope("", _names(net)))
    return tuple(walk.steps)


def refuse_remainder(layer: Layer, seen: Volume) -> None:
    """Raises SizeError: the layer's window does not divide its input and leaves a part of it unused."""
    window = layer.window(seen)
    if window.dropped(seen.plane):
        raise SizeError(f"{window.quotient(seen.plane)}.\n  {window.remedies(seen, layer.most_pad)}")


def at_inference(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Returns the steps without those of side heads, which run in training only."""
    return tuple(step for step in steps if not step.side)


def without_softmax(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Returns the steps without a final softmax of the network or of a side head."""
    read = {source for step in steps if not isinstance(step.layer, SideHead) for source in step.sources}
    left_out = {
        step.path: step.sources[0]
        for step in steps
        if isinstance(step.layer, Softmax) and step.path not in read
    }
    return tuple(
        replace(step, sources=tuple(left_out.get(source, source) for source in step.sources))
        for step in steps
        if step.path not in left_out
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk stands: the current volume, and the path it comes from."""

    path: str
    volume: Volume


@dataclass(slots=True)
class _Scope:
    """The names of one level: `explicit` are those that the network gives, `counts` numbers the others."""

    prefix: str
    explicit: frozenset[str]
    side: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    used: set[str] = field(default_factory=set)

    def automatic(self, kind: str) -> str:
        """Returns the next free path of this kind of layer."""
        while True:
            self.counts[kind] += 1
            name = f"{kind}{self.counts[kind]}"
            if name not in self.explicit:
                return self.prefix + name

    def given(self, name: str, *, copied: bool) -> str:
        """Returns the path of an explicit name, numbered within copies."""
        if copied:
            self.counts[f"{name} copies"] += 1
            name = f"{name}{self.counts[f'{name} copies']}"
        if name in self.used or (not self.prefix and name == INPUT):
            where = f" in {self.prefix.rstrip('.')}" if self.prefix else ""
            owner = "is reserved for the input" if name == INPUT else "is given to two parts"
            raise NetworkError(f"the name {name!r} {owner}{where}; give each part its own")
        self.used.add(name)
        return self.prefix + name


@dataclass(slots=True)
class _Walk:
    """The state of one walk."""

    strict: bool
    steps: list[Step] = field(default_factory=list)

    def run(self, net: Net, place: _Place, scope: _Scope, *, copied: bool = False) -> _Place:
        """Walks a network from a place and returns where it ends."""
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
            case Beside() | Plus() | Gate():
                return self._join(net, place, scope, copied=copied)
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
        raise NetworkError(f"{net!r} is not a network")

    def _join(self, net: Beside | Plus | Gate, place: _Place, scope: _Scope, *, copied: bool) -> _Place:
        """Walks branches from one place and returns where they are joined; a gate joins the place itself."""
        branches = (net.branch,) if isinstance(net, Gate) else net.parts
        ends = tuple(self.run(branch, place, scope, copied=copied) for branch in branches)
        if isinstance(net, Gate):
            join: Layer = Multiply()
            ends = (place, *ends)
        else:
            join = Concat() if isinstance(net, Beside) else Add()
        return self._step(join, scope.automatic(join.kind), ends, scope)

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
    """Returns the error's text: what does not fit, where and why; for a join, the volume of each branch."""
    if len(places) == 1:
        return f"{path} does not fit {places[0].volume}: {why}"
    branches = "\n".join(
        f"  branch {number} ends in {place.path}: {place.volume}" for number, place in enumerate(places, 1)
    )
    return f"{path} does not fit: {why}.\n{branches}"


def _names(net: Net) -> frozenset[str]:
    """Returns the explicit names at the level of `net`, which automatic paths must avoid."""
    names: set[str] = set()
    copied: Counter[str] = Counter()
    for name, copies in _explicit(net, 0):
        if copies:
            copied[name] += copies
        else:
            names.add(name)
    return frozenset(names.union(f"{name}{n}" for name in copied for n in range(1, copied[name] + 1)))


def _explicit(net: Net, copies: int) -> Iterator[tuple[str, int]]:
    """Yields the names at the level of `net` with their number of copies; 0 for one that is not copied."""
    match net:
        case Chain() | Beside() | Plus():
            for part in net.parts:
                yield from _explicit(part, copies)
        case Gate():
            yield from _explicit(net.branch, copies)
        case Times():
            yield from _explicit(net.net, max(1, copies) * net.copies)
        case Named() | Side():
            yield net.name, copies
        case _:
            pass
