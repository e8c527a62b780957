"""The layout of a drawing: a pure function from the steps of a network to shapes.

Lengths are drawn as square roots, so that a side of 224 is 15 times, not 224 times, as long as one of 1.
Depth has a factor of its own. Both factors hold for a whole drawing, so that larger is always drawn larger.

The network runs from left to right along one axis, broken into rows if it is long. Branches are stacked, a
skip connection passes over its block, side heads hang below. Under a volume are its size, its name and its
window; in branches, which end in a volume of the same height and width, only its depth and its window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from hubel.net.trace import Step
from hubel.net.volume import Volume
from hubel.report.drawing.paint import PLUS, SIGNS, Arrow, Box, Drawing, Point, Rule, Solid, Text
from hubel.report.drawing.parts import Cell, Chain, Fork, Head, Repeat, Stack, kind_of, parts
from hubel.report.drawing.pen import SIZE, SMALL, Pen, Scale, common_name, size_text, width_of
from hubel.report.drawing.piece import ARROW, GAP, Piece, beside, composed, joined, moved_box, places_of

WIDEST = 660.0
"""The greatest width of a row, if its parts allow it: text is still legible when it is fitted to a page."""

MARGIN, TURN = 10.0, 8.0
BETWEEN_ROWS = 16.0
_UNEVEN = 0.12
"""The cost of a break within a stage, relative to rows of uneven width."""

EMPTY = Volume(1, 1, 1)
"""The volume of a box in the legend."""

NAMES = {
    "input": "input",
    "conv": "convolution",
    "activation": "activation",
    "norm": "normalisation",
    "pool": "pooling",
    "fc": "fully connected",
    "concat": "concatenation",
    "other": "other",
    "add": "sum",
    "gate": "gate",
}


def layout(steps: Sequence[Step]) -> Drawing:
    """Lays out the drawing of a network from its steps, at least one. No text overlaps anything."""
    chain = parts(steps)
    pen = Pen(Scale.of(list(_cells(chain))))
    page = _Page(pen)
    before: Piece | None = None
    for row in _rows([pen.piece(part) for part in chain]):
        before = page.add(row, before)
    page.legend(_kinds(chain), _signs(chain))
    return page.finished()


def _cells(chain: Chain) -> Iterator[Cell]:
    """All volumes that are drawn, including those of side heads."""
    for part in chain:
        found: tuple[Cell, ...] = ()
        if isinstance(part, Stack):
            found = part.cells
        elif isinstance(part, Fork):
            for lane in part.lanes:
                yield from _cells(lane)
            found = (part.join,)
        else:
            yield from _cells(part.chain)
        for cell in found:
            yield cell
            for head in cell.heads:
                yield from _cells(head.chain)


def _kinds(chain: Chain) -> list[str]:
    """The kinds that the legend explains, in its order."""
    found = set()
    for cell in _cells(chain):
        found |= {cell.kind, *(kind_of(step.layer) for step in cell.steps)}
    return [kind for kind in NAMES if kind in found]


def _signs(chain: Chain) -> list[str]:
    """The other entries of the legend."""
    towers = any(cell.towers > 1 for cell in _cells(chain))
    return [
        *(["towers: groups of maps"] if towers else []),
        *(["× n: n such blocks in a row"] if _repeats(chain) else []),
        "lengths drawn as square roots",
    ]


def _repeats(chain: Chain) -> bool:
    return any(
        isinstance(part, Repeat) or (isinstance(part, Fork) and any(map(_repeats, part.lanes)))
        for part in chain
    )


def _rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces in rows of about equal width, at most `WIDEST`, broken where sizes change if possible."""
    starts = places_of(pieces)

    def wide(first: int, last: int) -> float:
        return starts[last] + pieces[last].right - starts[first] - pieces[first].left

    whole = wide(0, len(pieces) - 1)
    share = whole / math.ceil(whole / WIDEST)
    best: list[tuple[float, int]] = [(0.0, 0)]
    """For each number of pieces: the least cost of rows of these pieces, and the start of the last row."""
    for end in range(1, len(pieces) + 1):
        options = []
        for first in range(end - 1, -1, -1):
            if first < end - 1 and wide(first, end - 1) > WIDEST:
                break
            within = (
                end < len(pieces)
                and pieces[end - 1].run is not None
                and pieces[end].run == pieces[end - 1].run
            )
            options.append(
                (best[first][0] + (wide(first, end - 1) / share - 1) ** 2 + _UNEVEN * within, first)
            )
        best.append(min(options))
    rows, end = [], len(pieces)
    while end:
        first = best[end][1]
        rows.append(list(pieces[first:end]))
        end = first
    return rows[::-1]


@dataclass(slots=True)
class _Page:
    """What has been placed so far, in rows from top to bottom; `low` is the lowest point."""

    pen: Pen
    pieces: list[Piece] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    low: float = 0.0
    legends: list[Box] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def add(self, row: Sequence[Piece], before: Piece | None) -> Piece:
        """Places a row at the bottom, with its brackets, its side heads and the wire from the row before."""
        places = places_of(row)
        whole = beside(row, places)
        whole = _bracketed(whole, [piece.moved(x, 0) for piece, x in zip(row, places, strict=True)])
        if before is not None:
            middle = self.low - BETWEEN_ROWS / 2
            self.low -= BETWEEN_ROWS
        y = self.low - whole.up
        placed = whole.moved(-whole.left, y)
        if before is not None:
            right = max(max(piece.right, piece.exit + piece.slant) for piece in (*self.pieces, before)) + TURN
            out = before.outs[0][1][-1][1]
            around = ((right, out), (right, middle), (-TURN, middle), (-TURN, y))
            self.arrows += joined(before, placed, around)
        self.pieces.append(placed)
        self.low = y - whole.down
        self._hang(placed, y)
        return placed

    def _hang(self, piece: Piece, y: float) -> None:
        """Places the side heads of a piece below it, from left to right; then the side heads of these."""
        free, base, hung = -math.inf, self.low, []
        for cell, x in piece.drops:
            for head in cell.heads:
                body = self.pen.chain(head.chain)
                edge = max(piece.right, x)
                start = max(min(x + ARROW, edge - body.right + body.left), free)
                level = base - 8 - SMALL - body.up
                if start + body.right - body.left > edge + 1 and free > -math.inf:
                    start, base = min(x + ARROW, edge - body.right + body.left), self.low
                    level = base - 8 - SMALL - body.up
                placed = body.moved(start - body.left, level)
                bend: tuple[Point, ...] = ((x, level),)
                if start < x + ARROW - 0.01:
                    bend = ((x, base - 4), (start - 6, base - 4), (start - 6, level))
                self.arrows += [
                    Arrow(cell.name, name, ((x, y), *bend, *points), dashed=True)
                    for name, points in placed.ins
                ]
                self.texts.append(_title(head, start + 8, level + body.up + 3))
                hung.append((placed, level))
                free = start + body.right - body.left + 12
                self.low = min(self.low, level - body.down)
        for placed, level in hung:
            self.pieces.append(placed)
            self._hang(placed, level)

    def legend(self, kinds: Sequence[str], signs: Sequence[str]) -> None:
        """Places the legend at the bottom: colours, signs and the scale."""
        edge = max(piece.right for piece in self.pieces)
        x, y = 0.0, self.low - BETWEEN_ROWS - SIZE
        words = [*((kind, NAMES[kind]) for kind in kinds), *(("", sign) for sign in signs)]
        for kind, word in words:
            wide = 16 * bool(kind) + width_of(word, SMALL)
            if x > 0 and x + wide > edge:
                x, y = 0.0, y - 12
            if kind:
                solids = () if kind in SIGNS else (Solid(x + 2, y + 2.5, 7, 6, (2.5, 2), ((kind, 7.0),)),)
                self.legends.append(Box("", (), EMPTY, kind, x + PLUS, y + 2.5, solids))
            self.texts.append(Text(word, x + 16 * bool(kind), y, SMALL, "muted", "left"))
            x += wide + 12
        self.low = y - 4

    def finished(self) -> Drawing:
        """The whole drawing with a margin, its origin in the lower left corner."""
        points = [point for arrow in self.arrows for point in arrow.points]
        left = min([piece.left for piece in self.pieces] + [x for x, _ in points])
        ends = [text.x + width_of(text.text, text.size) for text in self.texts if text.align == "left"]
        sides = [max(piece.right, piece.exit + piece.slant) for piece in self.pieces]
        right = max(sides + [x for x, _ in points] + ends)
        shift = (MARGIN - left, MARGIN - self.low)
        whole = composed(self.pieces, [(0, 0)] * len(self.pieces), (), ())
        whole = replace(whole, arrows=(*whole.arrows, *self.arrows), texts=(*whole.texts, *self.texts))
        whole = whole.moved(*shift)
        return Drawing(
            width=right - left + 2 * MARGIN,
            height=2 * MARGIN - self.low,
            boxes=whole.boxes,
            arrows=whole.arrows,
            texts=whole.texts,
            frames=whole.frames,
            rules=whole.rules,
            legend=tuple(moved_box(box, *shift) for box in self.legends),
        )


def _bracketed(whole: Piece, pieces: Sequence[Piece]) -> Piece:
    """A row with a bracket under each run of blocks of the same size, labelled with the size and the name."""
    rules, texts, down = [], [], whole.down
    for run, group in groupby(pieces, key=lambda piece: piece.run):
        if run is None:
            continue
        blocks = list(group)
        left, right = blocks[0].left + 6 * (not blocks[0].frames), blocks[-1].right
        y = -max(block.down for block in blocks) - 6
        rules.append(Rule(((left, y + 3), (left, y), (right, y), (right, y + 3))))
        middle, room = (left + right) / 2, right - left + 2 * GAP
        texts.append(Text(size_text(run), middle, y - 2 - SIZE, SIZE))
        name = common_name([path for block in blocks for path in block.paths])
        if name and width_of(name, SMALL) < room:
            texts.append(Text(name, middle, y - 4 - SIZE - SMALL, SMALL, "muted"))
        down = max(down, 8 + SIZE + SMALL - y)
    return replace(whole, rules=(*whole.rules, *rules), texts=(*whole.texts, *texts), down=down)


def _title(head: Head, x: float, y: float) -> Text:
    """A side head's name and the weight of its loss."""
    weight = "" if head.weight is None else f", loss × {head.weight:g}"
    return Text(f"{head.name}{weight}", x, y, SMALL, "muted", "left")
