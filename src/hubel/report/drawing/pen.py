"""From parts to pieces of a drawing: solids to scale, their texts, the wires of branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from typing import TypeAlias

from hubel.net.foreign import Foreign
from hubel.net.growing import ConvTranspose, Upsample
from hubel.net.layers import GlobalAvgPool, Shuffle
from hubel.net.layers import Part as MapsPart
from hubel.net.sliding import Conv, MaxPool, PadShortcut
from hubel.net.volume import Volume
from hubel.net.window import Pair, pair
from hubel.report.drawing.paint import PLUS, SIGNS, Arrow, Box, Frame, Point, Solid, Text
from hubel.report.drawing.parts import Cell, Chain, Fork, Part, Repeat, Stack, keeps_apart, kind_of
from hubel.report.drawing.piece import ARROW, Piece, Wire, beside, chained, composed

SIZE, SMALL = 7.0, 6.2
"""The font sizes: of the size of a volume, and of all other text."""

LEAD = 1.2
TALLEST, LONGEST = 84.0, 44.0
MOST_SIDE, MOST_DEPTH = 14.0, 2.6
"""The largest drawn length of a side of 1 and of a depth of 1, in points."""
LEANS: Point = (0.36, 0.27)
"""The shift from front to back, right and up, as a share of the width drawn upright."""
LONGEST_NAME = 13

_LETTERS = (
    dict.fromkeys("0123456789√", 0.64)
    | dict.fromkeys("ijl", 0.28)
    | dict.fromkeys("frt", 0.42)
    | dict.fromkeys(" .,/", 0.34)
    | {"_": 0.5, "–": 0.5, "w": 0.82, "×": 0.84, "M": 0.87, "m": 0.98, "W": 0.99}
)
"""The widths of letters in DejaVu Sans, as a share of the font size; all others are 0.63."""

_WIDE = "\u2e80"
"""From this letter on, letters are as wide as high."""


def width_of(text: str, size: float) -> float:
    """The width of a line of text, rounded up."""
    return size * sum(_LETTERS.get(letter, 0.63 if letter < _WIDE else 1.0) for letter in text)


def size_text(volume: Volume) -> str:
    """The size as `224×224×64`, which can also be given as an input."""
    return "×".join(map(str, volume))


@dataclass(frozen=True, slots=True)
class Scale:
    """Points per square root of a side and of a depth; `tower` is the distance between towers."""

    side: float
    depth: float
    tower: float = 0.0

    @classmethod
    def of(cls, cells: Sequence[Cell]) -> Scale:
        """The scale at which the largest volume of a network has the largest size allowed."""
        side = min(MOST_SIDE, TALLEST / sqrt(max(max(cell.volume.plane) for cell in cells)))
        depth = min(MOST_DEPTH, LONGEST / sqrt(max(cell.volume.depth for cell in cells)))
        scale = cls(side, depth)
        towers = [scale.reach(cell.volume) for cell in cells if cell.towers > 1]
        return replace(scale, tower=max(towers, default=0.0) + 6)

    def upright(self, side: int) -> float:
        """The drawn length of a height or width."""
        return self.side * sqrt(side)

    def across(self, volume: Volume) -> Point:
        """The shift from the front of a volume to its back."""
        return LEANS[0] * self.upright(volume.width), LEANS[1] * self.upright(volume.width)

    def reach(self, volume: Volume) -> float:
        """The distance from the lowest to the highest point of a volume."""
        return self.upright(volume.height) + self.across(volume)[1]

    def along(self, depth: float) -> float:
        """The drawn length of a depth."""
        return max(1.2, self.depth * sqrt(depth))


@dataclass(frozen=True, slots=True)
class Pen:
    """Makes pieces at a scale."""

    scale: Scale

    def piece(self, part: Part, plane: Pair | None = None) -> Piece:
        """A part as a piece; `plane` is the height and width that labels leave out."""
        if isinstance(part, Stack):
            return self._stack(part.cells, plane)
        if isinstance(part, Repeat):
            return self._repeat(part, plane)
        return self._sum(part) if part.join.kind in SIGNS else self._branches(part, plane)

    def chain(self, chain: Chain, plane: Pair | None = None) -> Piece:
        """A chain of at least one part as a piece."""
        return chained([self.piece(part, plane) for part in chain])

    def _stack(self, cells: Sequence[Cell], plane: Pair | None, *, name: bool = True) -> Piece:
        """Volumes of the same size close together, with their text below."""
        volume, towers = cells[0].volume, cells[0].towers
        high, (dx, dy) = self.scale.upright(volume.height), self.scale.across(volume)
        levels = [self.scale.tower * ((towers - 1) / 2 - number) for number in range(towers)]
        x, boxes = dx / 2, []
        for cell in cells:
            length = self.scale.along(volume.depth / towers)
            bands = tuple(_bands(cell, length))
            solids = tuple(Solid(x, y, length, high, (dx, dy), bands) for y in levels)
            boxes.append(Box(cell.name, cell.paths, volume, cell.kind, x, 0, solids))
            x += length + 3
        out = x - 3
        entry = 0 if high >= dy else dx / 2
        down = (high + dy) / 2 - levels[-1]
        middle = (out - dx / 2) / 2
        texts, lines = _under(_labels(cells, plane, name=name), middle, -down)
        wide = max((width_of(text.text, text.size) for text in texts), default=0.0)
        right = max(out + dx / 2 if plane else out, middle + wide / 2)
        drops = tuple((cell, right + 4) for cell in cells if cell.heads)
        return Piece(
            entry,
            out,
            left=min(entry, middle - wide / 2),
            right=right + 8 * bool(drops),
            up=(high + dy) / 2 + levels[0],
            down=down + lines,
            ins=tuple((cells[0].name, ((entry, y),)) for y in levels),
            outs=tuple((cells[-1].name, ((out, y),)) for y in levels),
            boxes=tuple(boxes),
            arrows=tuple(Arrow(one.name, other.name, ()) for one, other in pairwise(cells)),
            texts=texts,
            tight=True,
            apart=keeps_apart(cells[0]),
            drops=drops,
            slant=dx / 2,
        )

    def _lanes(self, lanes: Sequence[Chain], plane: Pair) -> list[Piece | None]:
        """Branches as pieces, None for an empty one; aligned in columns if none has branches of its own."""
        rows = [[self.piece(part, plane) for part in lane] for lane in lanes]
        if not all(isinstance(part, Stack) for lane in lanes for part in lane):
            return [chained(row) if row else None for row in rows]
        longest = max(map(len, rows))
        widths = [max(row[at].right - row[at].left for row in rows if len(row) > at) for at in range(longest)]
        starts = [sum(widths[:at]) + at * (ARROW + 1) for at in range(longest)]
        return [
            beside(
                row,
                [
                    start + (wide - piece.right + piece.left) / 2 - piece.left
                    for piece, start, wide in zip(row, starts, widths, strict=False)
                ],
            )
            if row
            else None
            for row in rows
        ]

    def _branches(self, fork: Fork, plane: Pair | None) -> Piece:
        """Branches stacked around the axis, and the slab that joins them, on a panel."""
        lanes = self._lanes(fork.lanes, fork.join.volume.plane)
        reach = [(lane.up, lane.down) if lane else (4.0, 4.0) for lane in lanes]
        levels = [0.0]
        for (_, down), (up, _) in pairwise(reach):
            levels.append(levels[-1] - down - up - 5)
        levels = [level - levels[-1] / 2 for level in levels]
        start = ARROW + 3
        end = max((start + lane.right - lane.left for lane in lanes if lane), default=start) + 5
        join = self._stack((fork.join,), plane, name=False)
        join = join.moved(end + max(ARROW - join.entry, 2 - join.left), 0)
        branches = [
            _branch(lane, (start, y), ((4, 0), (4, y)), ((end, y), (end, 0), (join.entry, 0)), fork.join.name)
            for lane, y in zip(lanes, levels, strict=True)
        ]
        return _on_panel(replace(_gathered(branches, join), run=None))

    def _sum(self, fork: Fork) -> Piece:
        """The longest branch on the axis, the others above it, and a plus or times where they meet."""
        name, volume = fork.join.name, fork.join.volume
        lanes = [self.chain(lane, volume.plane) if lane else None for lane in fork.lanes]
        widths = [lane.right - lane.left if lane else 0.0 for lane in lanes]
        main, room = widths.index(max(widths)), max(*widths, width_of(size_text(volume), SIZE) - 22)
        start = ARROW + 2
        end = start + room + 5 + PLUS
        others = sorted((at for at in range(len(lanes)) if at != main), key=lambda at: lanes[at] is not None)
        branches: dict[int, Branch] = {}
        top = 0.0
        for at in (main, *others):
            lane, x = lanes[at], start + (room - widths[at]) / 2
            if at == main:
                branches[at] = _branch(lane, (x, 0), (), ((end - PLUS, 0),), name)
            else:
                top += 5 + (lane.down if lane else 0.0)
                branches[at] = _branch(lane, (x, top), ((4, 0), (4, top)), ((end, top), (end, PLUS)), name)
            top += lane.up if lane else 1.0
        plus = Box(name, fork.join.paths, volume, fork.join.kind, end, 0)
        right = end + PLUS
        out: Wire = (name, ((right, 0),))
        circle = Piece(end - PLUS, right, end - PLUS, right, PLUS, PLUS, (), (out,), (plus,), run=volume)
        if fork.join.heads:
            circle = replace(circle, right=right + 8, drops=((fork.join, right + 4),))
        whole = _gathered([branches[at] for at in range(len(lanes))], circle)
        return replace(whole, up=max(top, whole.up), run=volume)

    def _repeat(self, part: Repeat, plane: Pair | None) -> Piece:
        """A block in a dashed frame, with its number of repeats."""
        inner = self.chain(part.chain, plane)
        inner = inner.moved(4 - min(inner.left, inner.entry), 0)
        text = f"× {part.times}"
        right = max(inner.right, inner.exit + inner.slant) + 4
        frame = Frame(0, -inner.down - 3, right, inner.up + 3, "repeat")
        label = Text(text, right - 1, inner.up + 5.5, SIZE + 1, align="right")
        return replace(
            inner,
            entry=0.0,
            exit=right,
            slant=0.0,
            left=min(0.0, right - width_of(text, SIZE + 1) - 1),
            right=right,
            up=inner.up + 6 + SIZE,
            down=inner.down + 3,
            frames=(frame, *inner.frames),
            texts=(*inner.texts, label),
            tight=False,
        )


Branch: TypeAlias = tuple[tuple[Wire, ...], tuple[Arrow, ...], Piece | None]
"""The open wires into a branch, the arrows out of it, and the placed branch, None if it is empty."""


def _branch(
    lane: Piece | None, place: Point, way: tuple[Point, ...], back: tuple[Point, ...], join: str
) -> Branch:
    """A branch that starts at `place`; its wires come along `way` and go `back` to the join."""
    if lane is None:
        return ((join, (*way, *back)),), (), None
    x, y = place
    placed = lane.moved(x - lane.left, y)
    ins = tuple((name, (*way, *points)) for name, points in placed.ins)
    arrows = tuple(Arrow(name, join, (*points, *back)) for name, points in placed.outs)
    return ins, arrows, replace(placed, up=placed.up + y, down=placed.down - y)


def _gathered(branches: Sequence[Branch], join: Piece) -> Piece:
    """Placed branches and the piece that joins them as one piece, entered at 0."""
    pieces = [*(piece for _, _, piece in branches if piece is not None), join]
    ins = tuple(wire for wires, _, _ in branches for wire in wires)
    whole = composed(pieces, [(0, 0)] * len(pieces), ins, join.outs)
    arrows = tuple(arrow for _, found, _ in branches for arrow in found)
    return replace(whole, arrows=whole.arrows + arrows, entry=0.0, left=0.0)


def _on_panel(piece: Piece) -> Piece:
    """A piece on a panel, titled with the common name of its paths."""
    name = common_name(piece.paths)
    up, down = piece.up + (SMALL + 5 if name else 3), piece.down + 3
    right = max(piece.right, piece.exit + piece.slant) + 2
    title = (Text(name, 8, up - SMALL - 2, SMALL, "muted", "left"),) if name else ()
    frame = Frame(0, -down, right, up, "panel")
    return replace(
        piece, right=right, up=up, down=down, frames=(frame, *piece.frames), texts=(*piece.texts, *title)
    )


def common_name(paths: Sequence[str]) -> str:
    """The name of the smallest part that contains all paths; empty if there is none."""
    return _prefix([f"{path}." for path in paths]).rpartition(".")[0]


def _prefix(texts: Sequence[str]) -> str:
    """The longest common beginning of all texts."""
    least, most = min(texts), max(texts)
    return least[
        : next(
            (at for at, (one, other) in enumerate(zip(least, most, strict=False)) if one != other), len(least)
        )
    ]


def _bands(cell: Cell, length: float) -> Iterator[tuple[str, float]]:
    """The colours of a volume: of the layer that made it, split by branch; then of the layers in place."""
    kinds = [kind_of(step.layer) for step in cell.steps[1 if cell.kind != "input" else 0 :]]
    edges = [kind for kind in dict.fromkeys(kinds) if kind in ("norm", "activation")]
    edge = min(1.7, length / 4)
    rest = length - edge * len(edges)
    depths = [volume.depth for volume in cell.steps[0].inputs] if cell.kind == "concat" else [1]
    for depth in depths:
        yield cell.kind, rest * depth / sum(depths)
    for kind in edges:
        yield kind, edge


def _labels(cells: Sequence[Cell], plane: Pair | None, *, name: bool) -> list[str]:
    """The lines under volumes: the size, or only the depth if the plane is known; the name; the window."""
    volume = cells[0].volume
    lines = [str(volume.depth) if volume.plane == plane else size_text(volume)]
    if plane is None and name:
        lines += _names([cell.name for cell in cells])
    windows = list(dict.fromkeys(window_text(cell) for cell in cells))
    return [*lines, *([", ".join(windows)] if any(windows) else [])]


def _names(names: Sequence[str]) -> list[str]:
    """`conv1`, or `conv1_1–2` for several; for long paths the first and the last name on two lines."""
    ends = (names[0], names[-1])
    if all(len(name) <= LONGEST_NAME for name in ends) or not all("." in name for name in ends):
        return [_span(*ends)]
    return [
        _span(*(name.partition(".")[0] for name in ends)),
        _span(*(name.rpartition(".")[2] for name in ends)),
    ]


def _span(first: str, last: str) -> str:
    """From one name to another; a common beginning is written once if numbers follow."""
    common = len(_prefix([first, last]).rstrip("0123456789"))
    if first == last:
        return first
    numbers = first[common:].isdigit() and last[common:].isdigit()
    return f"{first}–{last[common:] if numbers else last}"


def window_text(cell: Cell) -> str:
    """The window over the volume before, `3×3` or `max 3×3/2` with stride 2; or another operation."""
    if not cell.steps or cell.kind not in ("conv", "pool", "other"):
        return ""
    layer, seen = cell.steps[0].layer, cell.steps[0].inputs[0]
    if isinstance(layer, GlobalAvgPool):
        return "mean"
    if isinstance(layer, PadShortcut):
        return "zeros"
    if isinstance(layer, Upsample):
        return "up {}×{}".format(*pair(layer.factor))
    if isinstance(layer, ConvTranspose):
        return "up {}×{}".format(*pair(layer.size)) + f"/{pair(layer.stride)[0]}"
    if isinstance(layer, MapsPart):
        return f"{layer.number}{f' to {layer.to}' if layer.to else ''} of {layer.of}"
    if isinstance(layer, Shuffle):
        return "shuffle"
    if isinstance(layer, Foreign):
        return layer.op
    rows, columns = layer.window(seen).axes
    stride = "" if (rows.stride, columns.stride) == (1, 1) else f"/{rows.stride}"
    word = "max " if isinstance(layer, MaxPool) else "avg " if cell.kind == "pool" else ""
    if isinstance(layer, Conv) and layer.groups == seen.depth > 1:
        word = "each "
    return f"{word}{rows.size}×{columns.size}{stride}"


def _under(lines: Sequence[str], x: float, y: float) -> tuple[tuple[Text, ...], float]:
    """Lines of text below `y`, the first one larger, and their extent downwards."""
    texts, down = [], 2.0
    for number, line in enumerate(lines):
        size = SMALL if number else SIZE
        down += size * LEAD
        texts.append(Text(line, x, y - down + 0.3 * size, size, "muted" if number else "ink"))
    return tuple(texts), down
