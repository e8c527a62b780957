"""The difference of two networks: which layers differ, and by how much.

The layers of both are aligned so that as many as possible keep their place and their name. The others are
changed, moved, added or removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import TypeAlias

from hubel.net.activations import ACTIVATIONS
from hubel.net.ledger import Ledger, Row
from hubel.net.trace import Step

Match: TypeAlias = tuple[int | None, int | None]
"""The index of a layer in either network; None where it has no counterpart."""

MOST_CELLS = 1_000_000
"""Where the product of the two lengths is larger, networks are aligned by path alone, which is faster."""


class Kind(StrEnum):
    """How a layer differs."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    REWIRED = "rewired"
    FOLLOWS = "follows"


@dataclass(frozen=True, slots=True)
class Change:
    """A layer that differs: its row before, None if it is added, and after, None if it is removed.

    `CHANGED`: another layer, or a layer with parameters under another name. `MOVED`: the same layer and
    name in another place. `REWIRED`: it reads other layers. `FOLLOWS`: the layer is the same, but its
    sizes, parameters or MACs differ because of a change before it.
    """

    kind: Kind
    before: Row | None
    after: Row | None

    @property
    def path(self) -> str:
        """The path after the change, or before it if the layer is removed."""
        row = self.after or self.before
        assert row is not None
        return row.path

    @property
    def params(self) -> int:
        """The difference in parameters, after minus before."""
        return (self.after.params if self.after else 0) - (self.before.params if self.before else 0)

    @property
    def macs(self) -> int:
        """The difference in MACs, after minus before."""
        return (self.after.macs if self.after else 0) - (self.before.macs if self.before else 0)


def changes(before: Ledger, after: Ledger) -> tuple[Change, ...]:
    """The layers that differ, in the order of the networks; none where both compute the same."""
    matches = align(before.steps, after.steps)
    partner = {first: second for first, second in matches if first is not None}
    found = []
    for first, second in matches:
        old = None if first is None else before.rows[first]
        new = None if second is None else after.rows[second]
        kind = _kind(old, new)
        if kind is None and first is not None and second is not None:
            kind = Kind.REWIRED if _rewired(before.steps, after.steps, first, second, partner) else None
        if kind is not None:
            found.append(Change(kind, old, new))
    return _with_moves(found)


def align(before: Sequence[Step], after: Sequence[Step]) -> list[Match]:
    """Pairs the layers of two networks in order; a layer without a counterpart is paired with None."""
    start = 0
    while start < min(len(before), len(after)) and _same(before[start], after[start]):
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and _same(before[-1 - end], after[-1 - end]):
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    middle = _by_likeness(old, new) if len(old) * len(new) <= MOST_CELLS else _by_path(old, new)
    matches: list[Match] = [(place, place) for place in range(start)]
    matches += [
        (None if first is None else first + start, None if second is None else second + start)
        for first, second in middle
    ]
    matches += [(len(before) - left, len(after) - left) for left in range(end, 0, -1)]
    return matches


def _same(old: Step, new: Step) -> bool:
    return old.path == new.path and old.layer == new.layer


def _by_likeness(old: Sequence[Step], new: Sequence[Step]) -> list[Match]:
    """The alignment with the highest total likeness. Source: Needleman and Wunsch 1970."""
    names = [_name(step) for step in old], [_name(step) for step in new]
    best = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for first in range(len(old) - 1, -1, -1):
        row, below = best[first], best[first + 1]
        for second in range(len(new) - 1, -1, -1):
            alike = _likeness(old[first], new[second], names[0][first] == names[1][second])
            row[second] = max(below[second], row[second + 1], below[second + 1] + alike if alike else 0)
    return list(_walk(old, new, names, best))


def _walk(
    old: Sequence[Step], new: Sequence[Step], names: tuple[list[str], list[str]], best: list[list[int]]
) -> Iterator[Match]:
    """Follows the highest likeness from the start; removed layers come before added ones."""
    first = second = 0
    while first < len(old) or second < len(new):
        here = best[first][second]
        if first < len(old) and second < len(new):
            alike = _likeness(old[first], new[second], names[0][first] == names[1][second])
            if alike and here == best[first + 1][second + 1] + alike:
                yield first, second
                first, second = first + 1, second + 1
                continue
        if first < len(old) and here == best[first + 1][second]:
            yield first, None
            first += 1
        else:
            yield None, second
            second += 1


def _likeness(old: Step, new: Step, same_name: bool) -> int:
    """How well two layers match, 0 if not at all; the name counts more than the layer."""
    same_path, same_layer = old.path == new.path, old.layer == new.layer
    if same_path or same_name:
        return 4 + same_path + same_layer
    if type(old.layer) is type(new.layer):
        return 1 + same_layer
    return int(isinstance(old.layer, ACTIVATIONS) and isinstance(new.layer, ACTIVATIONS))


def _name(step: Step) -> str:
    """A path without the number of an automatic name, which shifts when a layer is inserted before it."""
    return re.sub(rf"(^|\.)({step.layer.kind})\d+$", r"\1\2", step.path)


def _by_path(old: Sequence[Step], new: Sequence[Step]) -> list[Match]:
    """The alignment of equal paths, in runs as long as possible."""
    paths = [step.path for step in old], [step.path for step in new]
    matches: list[Match] = []
    for tag, first, first_end, second, second_end in SequenceMatcher(None, *paths, False).get_opcodes():
        if tag == "equal":
            matches += zip(range(first, first_end), range(second, second_end), strict=True)
        else:
            matches += [(place, None) for place in range(first, first_end)]
            matches += [(None, place) for place in range(second, second_end)]
    return matches


def _kind(old: Row | None, new: Row | None) -> Kind | None:
    """How a pair of rows differs, None if it does not."""
    if old is None or new is None:
        return Kind.ADDED if old is None else Kind.REMOVED
    if old.layer != new.layer or (old.path != new.path and (old.params or new.params)):
        return Kind.CHANGED
    sizes = [(row.input, row.output, row.params, row.macs) for row in (old, new)]
    return Kind.FOLLOWS if sizes[0] != sizes[1] else None


def _rewired(
    before: Sequence[Step], after: Sequence[Step], first: int, second: int, partner: dict[int, int | None]
) -> bool:
    """Whether a layer reads different layers before and after, among those that both networks have."""
    places = {step.path: place for place, step in enumerate(before)}
    old, new = before[first].sources, after[second].sources
    if len(old) != len(new):
        return True
    kept = {after[other].path for other in partner.values() if other is not None}
    for reads, instead in zip(old, new, strict=True):
        other = partner.get(places[reads]) if reads in places else None
        there = after[other].path if other is not None else None
        if there is not None and instead in kept and there != instead:
            return True
    return False


def _with_moves(found: Sequence[Change]) -> tuple[Change, ...]:
    """Turns the removal and the addition of the same layer under the same name into a move."""
    gone = {change.before.path: change for change in found if change.before and change.kind is Kind.REMOVED}
    moved: dict[str, Change] = {}
    for change in found:
        old = gone.get(change.path)
        same = old and old.before and change.after and old.before.layer == change.after.layer
        if change.kind is Kind.ADDED and old and same:
            moved[change.path] = Change(Kind.MOVED, old.before, change.after)
    kept = [change for change in found if not (change.kind is Kind.REMOVED and change.path in moved)]
    return tuple(moved.get(change.path, change) if change.kind is Kind.ADDED else change for change in kept)
