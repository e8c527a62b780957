"""Pieces of a drawing: shapes around an axis, on which wires enter on the left and leave on the right.

A piece knows its extent and which of its wires are still open; pieces placed side by side join their wires.
Where on the page a piece goes is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

from hubel.net.volume import Volume
from hubel.report.drawing.paint import Arrow, Box, Frame, Point, Rule, Text
from hubel.report.drawing.parts import Cell

ARROW = 9.0
"""The least length of a wire."""
GAP = 5.0
"""The least distance between texts."""

Wire: TypeAlias = tuple[str, tuple[Point, ...]]
"""A volume and the points between it and the edge of its piece."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Shapes around an axis at y = 0, from `left` to `right`, `up` above and `down` below the axis.

    The axis enters at `entry` and leaves at `exit`; `ins` and `outs` are the open wires. `tight`: neighbours
    may overlap the slanted sides, as close as the wires allow. `apart`: each tower reads only itself.
    `drops` are the volumes where side heads start, with the x at which their wires go down. `run` is the
    size of all sums in the piece, if they have the same. `slant` is the extent of the last slanted side
    beyond `exit`.
    """

    entry: float
    exit: float
    left: float
    right: float
    up: float
    down: float
    ins: tuple[Wire, ...]
    outs: tuple[Wire, ...]
    boxes: tuple[Box, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    texts: tuple[Text, ...] = ()
    frames: tuple[Frame, ...] = ()
    rules: tuple[Rule, ...] = ()
    tight: bool = False
    apart: bool = False
    drops: tuple[tuple[Cell, float], ...] = ()
    run: Volume | None = None
    slant: float = 0.0

    def moved(self, dx: float, dy: float) -> Piece:
        """The piece shifted; `up` and `down` are still measured from its axis."""
        return replace(
            self,
            entry=self.entry + dx,
            exit=self.exit + dx,
            left=self.left + dx,
            right=self.right + dx,
            ins=tuple((name, _shifted(points, dx, dy)) for name, points in self.ins),
            outs=tuple((name, _shifted(points, dx, dy)) for name, points in self.outs),
            boxes=tuple(moved_box(box, dx, dy) for box in self.boxes),
            arrows=tuple(replace(arrow, points=_shifted(arrow.points, dx, dy)) for arrow in self.arrows),
            texts=tuple(replace(text, x=text.x + dx, y=text.y + dy) for text in self.texts),
            frames=tuple(
                Frame(frame.left + dx, frame.bottom + dy, frame.right + dx, frame.top + dy, frame.tone)
                for frame in self.frames
            ),
            rules=tuple(Rule(_shifted(rule.points, dx, dy)) for rule in self.rules),
            drops=tuple((cell, x + dx) for cell, x in self.drops),
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all volumes in it."""
        return tuple(path for box in self.boxes for path in box.paths)


def moved_box(box: Box, dx: float, dy: float) -> Box:
    """A box shifted."""
    solids = tuple(replace(solid, x=solid.x + dx, y=solid.y + dy) for solid in box.solids)
    return replace(box, x=box.x + dx, y=box.y + dy, solids=solids)


def _shifted(points: tuple[Point, ...], dx: float, dy: float) -> tuple[Point, ...]:
    return tuple((x + dx, y + dy) for x, y in points)


def composed(
    pieces: Sequence[Piece], places: Sequence[Point], ins: tuple[Wire, ...], outs: tuple[Wire, ...]
) -> Piece:
    """Pieces at their places as one piece with these open wires; wires between them are not joined."""
    moved = [piece.moved(*place) for piece, place in zip(pieces, places, strict=True)]
    return Piece(
        entry=moved[0].entry,
        exit=moved[-1].exit,
        left=min(piece.left for piece in moved),
        right=max(piece.right for piece in moved),
        up=max(piece.up + y for piece, (_, y) in zip(moved, places, strict=True)),
        down=max(piece.down - y for piece, (_, y) in zip(moved, places, strict=True)),
        ins=ins,
        outs=outs,
        boxes=tuple(box for piece in moved for box in piece.boxes),
        arrows=tuple(arrow for piece in moved for arrow in piece.arrows),
        texts=tuple(text for piece in moved for text in piece.texts),
        frames=tuple(frame for piece in moved for frame in piece.frames),
        rules=tuple(rule for piece in moved for rule in piece.rules),
        drops=tuple(drop for piece in moved for drop in piece.drops),
        run=shared_run(moved),
        slant=moved[-1].slant,
    )


def shared_run(pieces: Sequence[Piece]) -> Volume | None:
    """The size of all sums, if all pieces have one and it is the same."""
    runs = {piece.run for piece in pieces}
    return runs.pop() if len(runs) == 1 else None


def joined(one: Piece, other: Piece, between: tuple[Point, ...] = ()) -> tuple[Arrow, ...]:
    """The arrows from one placed piece to the next. Towers that read only themselves are wired one to one."""
    pairs = [(out, into) for out in one.outs for into in other.ins]
    if other.apart and len(one.outs) == len(other.ins):
        pairs = list(zip(one.outs, other.ins, strict=True))
    return tuple(Arrow(out[0], into[0], (*out[1], *between, *into[1])) for out, into in pairs)


def chained(pieces: Sequence[Piece]) -> Piece:
    """Pieces from left to right on one axis, as close together as their shapes and texts allow."""
    return beside(pieces, places_of(pieces))


def places_of(pieces: Sequence[Piece]) -> list[float]:
    """The x of each piece when they follow each other as closely as possible, the first one at 0."""
    places = [0.0]
    for one, other in pairwise(pieces):
        texts = one.right + GAP - other.left
        side = _side(one, other) if other.tight else one.exit + one.slant + 1
        places.append(places[-1] + max(one.exit + ARROW - other.entry, texts, side - other.left))
    return places


def _side(one: Piece, other: Piece) -> float:
    """The least x for the texts of a piece, so that they do not cover the slanted side before it."""
    solids = one.boxes[-1].solids
    if not solids or not other.texts or solids[-1].across[1] == 0:
        return one.exit
    _, bottom, right, _ = solids[-1].front
    across = solids[-1].across
    above = max(text.y + 0.8 * text.size for text in other.texts) - bottom
    return right + across[0] * min(1.0, max(0.0, above / across[1])) + 2


def beside(pieces: Sequence[Piece], places: Sequence[float]) -> Piece:
    """Pieces on one axis at these places, with the arrows between them."""
    moved = [piece.moved(x, 0) for piece, x in zip(pieces, places, strict=True)]
    arrows = tuple(arrow for one, other in pairwise(moved) for arrow in joined(one, other))
    whole = composed(moved, [(0, 0)] * len(moved), moved[0].ins, moved[-1].outs)
    return replace(whole, arrows=whole.arrows + arrows, apart=moved[0].apart)
