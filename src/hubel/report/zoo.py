"""The zoo as a table: each network, its costs, and its published errors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import Any

from hubel.net.depth import depth
from hubel.net.ledger import costs_of
from hubel.net.trace import trace
from hubel.report.styled import Styled
from hubel.report.units import count, short
from hubel.zoo import ZOO, Entry

HEADS = ("network", "year", "depth", "parameters", "MACs", "input", "top-1", "top-5", "error from")
WIDTHS = (max(map(len, ZOO)), 4, 5, 11, 6, 9, 6, 6, 14)
"""With two spaces between columns this makes 100 characters: it fits a terminal."""

SOURCE_WIDTH = 12
"""The longest source that is shown in the row; a longer one goes into the notes."""

LEFT = ("network", "input", "error from")
"""The columns that are aligned left."""


@dataclass(frozen=True, slots=True)
class Line:
    """A network of the zoo on its published input. `side_*` is the part of its side heads in the costs."""

    name: str
    entry: Entry
    depth: int
    params: int
    macs: int
    side_params: int
    side_macs: int


def catalogue(names: Sequence[str] = tuple(ZOO)) -> tuple[Line, ...]:
    """Traces the networks with these names and counts their costs."""
    return tuple(_line(name, ZOO[name]) for name in names)


def as_text(lines: Sequence[Line]) -> Styled:
    """The table by paper and data set, then the notes that its letters refer to, and the side heads."""
    notes = _notes(lines)
    text = Styled(_row(HEADS), "bold").append("─" * (sum(WIDTHS) + 2 * len(WIDTHS) - 2) + "\n", "dim")
    for heading, group in _groups(lines).items():
        text.append(heading + "\n", "cyan")
        for line in group:
            text.append(_row(_cells(line, notes)))
    text.append("\n" + "".join(f"{letter}  {note}\n" for note, letter in notes.items()))
    text.append(
        "depth: layers with weights on the longest path, without those in gates; a MAC is one multiply-add;\n"
        "top-1 and top-5: errors in percent, as published\n"
    )
    for line in lines:
        if line.side_params:
            text.append(
                f"{line.name}: {count(line.side_params)} of the parameters and {short(line.side_macs)} MACs "
                "are its side heads', in training only\n"
            )
    return text


def as_json(lines: Sequence[Line]) -> str:
    """The networks as JSON; errors in percent, null where none was published."""
    return json.dumps([as_data(line) for line in lines], indent=2, ensure_ascii=False)


def as_data(line: Line) -> dict[str, Any]:
    """A network as plain data."""
    entry = line.entry
    return {
        "network": line.name,
        "year": entry.year,
        "paper": entry.paper,
        "data": entry.data,
        "input": list(entry.input),
        "depth": line.depth,
        "params": line.params,
        "macs": line.macs,
        "side_params": line.side_params,
        "side_macs": line.side_macs,
        "top1_error": entry.top1_error,
        "top5_error": entry.top5_error,
        "result": entry.result,
        "source": entry.source,
    }


def error(value: float | None) -> str:
    """A published error in percent, with as many digits as in the paper; a dash where there is none."""
    return "-" if value is None else str(value)


def _line(name: str, entry: Entry) -> Line:
    steps = trace(entry.make(), entry.input)
    costs, sides = costs_of(steps), costs_of([step for step in steps if step.side])
    return Line(name, entry, depth(steps), costs.params, costs.macs, sides.params, sides.macs)


def _groups(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The networks by paper and data set, in order of first appearance."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(f"{line.entry.paper}, {line.entry.data}", []).append(line)
    return groups


def _notes(lines: Sequence[Line]) -> dict[str, str]:
    """A letter for each way in which errors were measured."""
    return dict(zip(dict.fromkeys(_note(line.entry) for line in lines), ascii_letters, strict=False))


def _note(entry: Entry) -> str:
    return f"{entry.source}: {entry.result}" if len(entry.source) > SOURCE_WIDTH else entry.result


def _cells(line: Line, notes: dict[str, str]) -> tuple[str, ...]:
    entry = line.entry
    source = entry.source if len(entry.source) <= SOURCE_WIDTH else ""
    return (
        line.name,
        str(entry.year),
        str(line.depth),
        count(line.params),
        short(line.macs),
        str(entry.input),
        error(entry.top1_error),
        error(entry.top5_error),
        f"{notes[_note(entry)]} {source}".strip(),
    )


def _row(cells: Sequence[str]) -> str:
    """One line of the table, numbers aligned right."""
    placed = (
        cell.ljust(width) if head in LEFT else cell.rjust(width)
        for cell, width, head in zip(cells, WIDTHS, HEADS, strict=True)
    )
    return "  ".join(placed).rstrip() + "\n"
