"""From steps to the parts of a drawing: volumes with the steps that make them, forks, repeats, side heads.

A layer that works in place (activation, normalisation, dropout) belongs to the volume it works on. Forks and
joins are found from the sources alone: the fork is the last volume that all branches of a join come from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from hubel.net.growing import ConvTranspose
from hubel.net.layer import Elementwise, Layer
from hubel.net.layers import (
    AdaptiveAvgPool,
    Add,
    Concat,
    Dropout,
    DropPath,
    Fc,
    GlobalAvgPool,
    Identity,
    Multiply,
    Rbf,
    SideHead,
    Softmax,
)
from hubel.net.norms import BatchNorm, GroupNorm, LayerNorm, LayerScale, Lrn
from hubel.net.sliding import AvgPool, Conv, MaxPool, Subsample
from hubel.net.trace import INPUT, Step
from hubel.net.volume import Volume

MOST_UNFOLDED = 40
"""Up to this many volumes, all are drawn; above, consecutive blocks that are alike are drawn once."""

LONGEST_PERIOD = 8
"""The largest number of consecutive parts that can form a block."""

MOST_TOWERS = 4
"""Up to this many groups are drawn as towers; more, as in a depthwise convolution, are not separated."""

_KINDS: dict[str, tuple[type[Layer], ...]] = {
    "conv": (Conv, ConvTranspose),
    "pool": (MaxPool, AvgPool, GlobalAvgPool, AdaptiveAvgPool, Subsample),
    "fc": (Fc, Rbf),
    "norm": (BatchNorm, LayerNorm, GroupNorm, LayerScale, Lrn),
    "add": (Add,),
    "gate": (Multiply,),
    "concat": (Concat,),
    "": (Dropout, DropPath, Identity, SideHead),
    "activation": (Elementwise, Softmax),
}


def kind_of(layer: Layer) -> str:
    """The kind a layer is drawn as: a key of `_KINDS`, or `other`."""
    return next((kind for kind, types in _KINDS.items() if isinstance(layer, types)), "other")


@dataclass(frozen=True, slots=True)
class Cell:
    """One volume: the first of `steps` makes it, the others work on it in place. The input has no first step.

    `copies` are the paths of the same steps in the blocks that are folded into this one. `towers` is the
    number of groups of maps that are kept apart, `heads` are the side heads that start here.
    """

    name: str
    volume: Volume
    kind: str
    steps: tuple[Step, ...]
    copies: tuple[str, ...] = ()
    towers: int = 1
    heads: tuple[Head, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths this volume stands for."""
        return tuple(step.path for step in self.steps) + self.copies


@dataclass(frozen=True, slots=True)
class Stack:
    """Volumes of the same size, one after the other, drawn close together."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Fork:
    """Branches from one volume, in the order in which they are written, and the volume that joins them."""

    lanes: tuple[Chain, ...]
    join: Cell


@dataclass(frozen=True, slots=True)
class Repeat:
    """A block that is repeated `times` times."""

    chain: Chain
    times: int


@dataclass(frozen=True, slots=True)
class Head:
    """A side head: its name, the weight of its loss, and its chain."""

    name: str
    weight: float | None
    chain: Chain


Part: TypeAlias = Stack | Fork | Repeat
Chain: TypeAlias = tuple[Part, ...]


def parts(steps: Sequence[Step]) -> Chain:
    """Returns the parts of a network with these steps, at least one."""
    cells, sources = _cells(steps)
    above = _dominators(sources)
    homes = {path: name for name, cell in cells.items() for path in cell.paths}
    through = [step for step in steps if not step.side]
    end = homes[through[-1].path] if through else INPUT
    used = {source for ends in sources.values() for source in ends}
    tails = [name for name in cells if name not in used and name != end]
    walk, starts = _Walk(cells, sources, above), {}
    walk.chain(end, None)
    for tail in reversed(tails):
        walk.chain(tail, None)
        starts[tail] = walk.start
    fold = len(cells) > MOST_UNFOLDED
    for tail in tails:  # a head inside a head comes first
        chain = _dressed(_Walk(cells, sources, above).chain(tail, starts[tail]), fold=False)
        last = cells[tail].steps[-1]
        weight = last.layer.weight if isinstance(last.layer, SideHead) else None
        start = cells[starts[tail]]
        cells[start.name] = replace(start, heads=(*start.heads, Head(last.side, weight, chain)))
    return _dressed(_Walk(cells, sources, above).chain(end, None), fold=fold)


def _cells(steps: Sequence[Step]) -> tuple[dict[str, Cell], dict[str, tuple[str, ...]]]:
    """The volumes of a network in order, and the volumes that each is made from."""
    alias = {INPUT: INPUT}
    users: Counter[str] = Counter()
    for step in steps:
        first = alias[step.sources[0]]
        alias[step.path] = first if isinstance(step.layer, Identity) else step.path
        if not isinstance(step.layer, Identity):
            users.update({alias[source] for source in step.sources})
    seen = next(step.inputs[0] for step in steps if step.sources[0] == INPUT)
    members: dict[str, list[Step]] = {INPUT: []}
    homes = {INPUT: INPUT}
    sources: dict[str, tuple[str, ...]] = {INPUT: ()}
    for step in steps:
        first = alias[step.sources[0]]
        stays = isinstance(step.layer, Identity) or (_in_place(step) and users[first] == 1)
        homes[step.path] = homes[first] if stays else step.path
        members.setdefault(homes[step.path], []).append(step)
        if not stays:
            sources[step.path] = tuple(homes[alias[source]] for source in step.sources)
    cells = {
        name: Cell(
            name,
            found[0].output if name != INPUT else seen,
            (kind_of(found[0].layer) or "other") if name != INPUT else "input",
            tuple(found),
        )
        for name, found in members.items()
    }
    towers = _towers(cells, sources)
    return {name: replace(cell, towers=towers[name]) for name, cell in cells.items()}, sources


def _in_place(step: Step) -> bool:
    """Whether a step keeps the size of the volume and the place of each value."""
    return step.layer.in_place(step.inputs[0]) or isinstance(step.layer, (Lrn, Softmax))


def _towers(cells: Mapping[str, Cell], sources: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """The number of groups of maps that are kept apart in each volume.

    A grouped convolution separates the groups of its input and its output; pooling keeps them apart.
    """
    towers = dict.fromkeys(cells, 1)
    for name, cell in cells.items():
        if cell.kind == "pool":
            towers[name] = towers[sources[name][0]]
        layer = cell.steps[0].layer if cell.steps else None
        if isinstance(layer, Conv) and 1 < layer.groups <= MOST_TOWERS:
            towers[name] = layer.groups
    users = Counter(source for ends in sources.values() for source in ends)
    for name in reversed(list(cells)):
        if keeps_apart(cells[name]) and len(sources[name]) == 1 and users[sources[name][0]] == 1:
            source = sources[name][0]
            if source != INPUT and towers[source] == 1 and cells[source].volume.depth % towers[name] == 0:
                towers[source] = towers[name]
    return towers


def keeps_apart(cell: Cell) -> bool:
    """Whether a volume is made without mixing groups of maps."""
    layer = cell.steps[0].layer if cell.steps else None
    return cell.kind == "pool" or (isinstance(layer, Conv) and 1 < layer.groups <= MOST_TOWERS)


def _dominators(sources: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The immediate dominator of each volume: the last one on every path from the input to it."""
    above: dict[str, str] = {}
    depth = {INPUT: 0}
    for name, ends in sources.items():
        if not ends:
            continue
        common = ends[0]
        for other in ends[1:]:
            end = other
            while common != end:
                if depth[common] >= depth[end]:
                    common = above[common]
                else:
                    end = above[end]
        above[name], depth[name] = common, depth[common] + 1
    return above


@dataclass(slots=True)
class _Walk:
    """The walk back from an end that visits each volume once; `start` is where the last chain began."""

    cells: Mapping[str, Cell]
    sources: Mapping[str, tuple[str, ...]]
    above: Mapping[str, str]
    placed: set[str] = field(default_factory=set)
    start: str = ""

    def chain(self, end: str, stop: str | None) -> Chain:
        """The parts after `stop`, or after a volume that was visited before, up to `end`."""
        found: list[Part] = []
        at = end
        while at != stop and at not in self.placed:
            self.placed.add(at)
            ends = self.sources[at]
            if len(ends) > 1:
                fork = self.above[at]
                found.append(Fork(tuple(self.chain(source, fork) for source in ends), self.cells[at]))
                at = fork
            else:
                found.append(Stack((self.cells[at],)))
                if not ends:
                    break
                at = ends[0]
        self.start = at
        return tuple(reversed(found))


def _dressed(chain: Chain, *, fold: bool) -> Chain:
    """A chain with equal blocks folded and equal volumes stacked."""
    inner = tuple(
        replace(part, lanes=tuple(_dressed(lane, fold=fold) for lane in part.lanes))
        if isinstance(part, Fork)
        else part
        for part in chain
    )
    return _stacked(_folded(inner) if fold else inner)


def _folded(chain: Chain) -> Chain:
    """A chain in which consecutive equal blocks occur once, as a `Repeat`."""
    signs = [_sign(part) for part in chain]
    found: list[Part] = []
    at = 0
    while at < len(chain):
        period, times = _block(signs, at)
        if times > 1:
            rows = [chain[start : start + period] for start in range(at, at + period * times, period)]
            once = tuple(_merged(alike) for alike in zip(*rows, strict=True))
            found.append(Repeat(_stacked(once), times))
        else:
            found.append(chain[at])
        at += period * times
    return tuple(found)


def _block(signs: Sequence[object], at: int) -> tuple[int, int]:
    """The length of the block that begins here and its number of repeats; two single volumes are no block."""
    best = (1, 1)
    for period in range(1, min(LONGEST_PERIOD, (len(signs) - at) // 2) + 1):
        block, times = signs[at : at + period], 1
        while signs[at + times * period : at + (times + 1) * period] == block:
            times += 1
        plain = period == 1 and isinstance(block[0], tuple) and block[0][0] == "stack"
        if times > (2 if plain else 1) and period * times > best[0] * best[1]:
            best = (period, times)
    return best


def _sign(part: Part) -> tuple[object, ...]:
    """A key that is equal for parts that are drawn alike."""
    if isinstance(part, Stack):
        return "stack", *(_sign_of_cell(cell) for cell in part.cells)
    if isinstance(part, Fork):
        lanes = tuple(tuple(_sign(inner) for inner in lane) for lane in part.lanes)
        return "fork", lanes, _sign_of_cell(part.join)
    return "repeat", part.times, tuple(_sign(inner) for inner in part.chain)


def _sign_of_cell(cell: Cell) -> tuple[object, ...]:
    steps = (
        step for step in cell.steps if not isinstance(step.layer, Identity)
    )  # an identity belongs to what follows
    return cell.towers, cell.heads, tuple((step.layer, step.inputs, step.output) for step in steps)


def _merged(alike: Sequence[Part]) -> Part:
    """The first of several equal parts, which then stands for all of them."""
    first = alike[0]
    if isinstance(first, Stack):
        rows = [part.cells for part in alike if isinstance(part, Stack)]
        return Stack(tuple(_merged_cell(cells) for cells in zip(*rows, strict=True)))
    if isinstance(first, Fork):
        forks = [part for part in alike if isinstance(part, Fork)]
        lanes = [
            tuple(map(_merged, zip(*rows, strict=True)))
            for rows in zip(*(f.lanes for f in forks), strict=True)
        ]
        return Fork(tuple(lanes), _merged_cell([fork.join for fork in forks]))
    chains = [part.chain for part in alike if isinstance(part, Repeat)]
    return Repeat(tuple(map(_merged, zip(*chains, strict=True))), first.times)


def _merged_cell(cells: Sequence[Cell]) -> Cell:
    return replace(
        cells[0], copies=cells[0].copies + tuple(path for cell in cells[1:] for path in cell.paths)
    )


def _stacked(chain: Chain) -> Chain:
    """A chain in which consecutive convolutions of the same size are one stack."""
    found: list[Part] = []
    for part in chain:
        last = found[-1] if found else None
        if isinstance(last, Stack) and isinstance(part, Stack) and _alike(last.cells[-1], part.cells[0]):
            found[-1] = Stack(last.cells + part.cells)
        else:
            found.append(part)
    return tuple(found)


def _alike(one: Cell, next_one: Cell) -> bool:
    """Whether a volume may be stacked onto the one before."""
    return (
        one.kind == next_one.kind == "conv"
        and one.volume == next_one.volume
        and max(one.volume.plane) > 1
        and one.towers == next_one.towers == 1
        and not one.heads
    )
