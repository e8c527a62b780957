"""A ledger as a table: text, Markdown, HTML, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Sequence
from html import escape
from itertools import zip_longest
from typing import Any

from hubel.errors import UsageError, nearest
from hubel.net.field import Jump
from hubel.net.ledger import Ledger, Row
from hubel.net.window import pair_text
from hubel.report.styled import Styled
from hubel.report.units import count, memory, plain, short

DEFAULT = ("path", "layer", "formula", "output", "params", "macs", "field")
"""The columns shown by default: they fit a terminal of 100 characters."""


def _sides(size: Jump) -> str:
    return str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"


COLUMNS: dict[str, tuple[str, Callable[[Row], str | int]]] = {
    "path": ("path", lambda row: row.path),
    "layer": ("layer", lambda row: repr(row.layer)),
    "formula": ("size", lambda row: row.formula),
    "input": ("input", lambda row: str(row.input)),
    "output": ("output", lambda row: str(row.output)),
    "params": ("params", lambda row: row.params),
    "macs": ("MACs", lambda row: row.macs if row.layer.accounted else "?"),
    "values": ("values", lambda row: row.values),
    "field": ("sees", lambda row: _sides(row.field.size)),
    "jump": ("jump", lambda row: _sides(row.field.jump)),
    "start": ("start", lambda row: pair_text(row.field.start)),
    "note": ("note", lambda row: row.note),
}
"""Every column: its heading, and the cell of a row."""

FOLDED = ("path", "layer", "formula", "note")
"""The columns that may be folded to fit a terminal."""

NARROWEST = 12
"""The least width of a folded column."""

NUMBERS = ("params", "macs", "values")
"""The columns that are summed. In text they are aligned right, with a comma between thousands."""


def check_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the columns with these names or headings, in any case; `all` is every column.

    Raises UsageError: there is no such column.
    """
    if list(names) == ["all"]:
        return tuple(COLUMNS)
    known = {word.lower(): name for name, (head, _) in COLUMNS.items() for word in (name, head)}
    for name in names:
        if name.lower() not in known:
            there = ", ".join(COLUMNS)
            raise UsageError(
                f"there is no column {name!r}{nearest(name, known)}; choose from {there}, or all"
            )
    return tuple(known[name.lower()] for name in names)


def as_text(ledger: Ledger, width: int, names: Sequence[str] = DEFAULT) -> Styled:
    """The table for a terminal of `width` characters: rows, totals, notes, and memory by accounting."""
    sums = [count(getattr(ledger.totals, name)) if name in NUMBERS else "" for name in names]
    text = _laid_out(ledger, width, names, ["total", *sums[1:]] if names[0] not in NUMBERS else sums)
    for note in _notes(ledger):
        text.append(f"{note}\n", "yellow")
    return text.append("\n".join(foot_lines(ledger)))


def rows_as_text(ledger: Ledger, width: int, names: Sequence[str] = DEFAULT) -> Styled:
    """The rows alone, for a network that breaks off: totals would mean nothing."""
    return _laid_out(ledger, width, names, None)


def _laid_out(ledger: Ledger, width: int, names: Sequence[str], totals: list[str] | None) -> Styled:
    """Headings, rows and totals in columns; where they are too wide, as few cells as possible are folded.

    rich lays out tables too, but takes 0.2 s for the 560 rows of ResNet-152.
    """
    head = [COLUMNS[name][0] for name in names]
    rows = [[_cell(COLUMNS[name][1](row)) for name in names] for row in ledger.rows]
    rows.insert(0, [_of_input(ledger, name) for name in names])
    widths = [max(map(len, column)) for column in zip(head, *rows, totals or head, strict=True)]
    gap = 2 if sum(widths) + 2 * (len(names) - 1) <= width else 1
    texts = [at for at, name in enumerate(names) if name in FOLDED]
    while sum(widths) + gap * (len(names) - 1) > width:
        wide = [at for at in texts if widths[at] > NARROWEST]
        if not wide:
            break
        widths[min(wide, key=lambda at: sum(len(cells[at]) >= widths[at] for cells in rows))] -= 1
    right = [name in NUMBERS for name in names]
    rule = "─" * (sum(widths) + gap * (len(names) - 1)) + "\n"
    text = Styled(_folded(head, widths, right, gap), "bold").append(rule, "dim")
    sides = [False, *(bool(row.side) for row in ledger.rows)]
    for cells, side in zip(rows, sides, strict=True):
        text.append(_folded(cells, widths, right, gap), "dim" if side else "")
    if totals is not None:
        text.append(rule, "dim").append(_folded(totals, widths, right, gap), "bold")
    return text


def _folded(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], gap: int) -> str:
    """One row as lines of text; cells are folded at spaces to the width of their column."""
    parts = [
        [cell] if len(cell) <= width else textwrap.wrap(cell, width)
        for cell, width in zip(cells, widths, strict=True)
    ]
    lines = ""
    for line in zip_longest(*parts, fillvalue=""):
        columns = (
            part.rjust(width) if to_right else part.ljust(width)
            for part, width, to_right in zip(line, widths, right, strict=True)
        )
        lines += (" " * gap).join(columns).rstrip() + "\n"
    return lines


def _notes(ledger: Ledger) -> list[str]:
    return [*ledger.remarks, *(f"{row.path}: {row.note}" for row in ledger.rows if row.note)]


def foot_lines(ledger: Ledger) -> list[str]:
    """The totals in words, and the memory for one image in float32, by accounting."""
    totals = ledger.totals
    lines = [
        f"{short(totals.params)} parameters, {short(totals.macs)} MACs, {short(totals.flops)} FLOPs "
        f"(2 per MAC, biases not counted)",
        "memory in float32, activations for one image:",
        f"  all values that flow   {memory(4 * totals.flow_values)}, {count(totals.flow_values)} values, "
        f"the input's {count(ledger.volume.values)} included",
        f"  kept for backward      {memory(totals.backward_bytes)}, by autograd",
        f"  inference peak         {memory(totals.inference_peak_bytes)}, with buffers reused",
        f"  parameters             {memory(totals.param_bytes)}",
        f"  training state         {memory(totals.training_state_bytes)}, parameters, gradients and momentum",
    ]
    if ledger.unaccounted:
        lines.insert(1, left_out(ledger))
    if totals.side_params:
        lines.insert(
            1,
            f"of which side heads, in training only: {count(totals.side_params)} parameters, "
            f"{count(totals.side_macs)} MACs",
        )
    return lines


def left_out(ledger: Ledger) -> str:
    """Which layers the totals leave out, because their MACs are unknown."""
    return f"MACs unknown, left out of the totals: {', '.join(ledger.unaccounted)}"


def as_markdown(ledger: Ledger, names: Sequence[str] = DEFAULT) -> str:
    """The table in Markdown, with the totals as its last row; the notes and the memory follow as a list."""
    heads = [COLUMNS[name][0] for name in names]
    rules = ["---:" if name in NUMBERS else "---" for name in names]
    rows = [[_cell(COLUMNS[name][1](row)).replace("|", "\\|") for name in names] for row in ledger.rows]
    sums = [count(getattr(ledger.totals, name)) if name in NUMBERS else "" for name in names]
    lines = [heads, rules, *rows, ["**total**" if names[0] not in NUMBERS else sums[0], *sums[1:]]]
    table = [f"| {' | '.join(line)} |" for line in lines]
    below = [*_notes(ledger), *foot_lines(ledger)]
    items = [f"  - {line.strip()}" if line.startswith(" ") else f"- {line}" for line in below]
    return "\n".join([*table, "", *items])


def as_html(ledger: Ledger, names: Sequence[str] = DEFAULT) -> str:
    """The table in HTML, with the totals in its foot; the notes and the memory follow."""
    heads = [COLUMNS[name][0] for name in names]
    rows = [[_cell(COLUMNS[name][1](row)) for name in names] for row in ledger.rows]
    sums = [count(getattr(ledger.totals, name)) if name in NUMBERS else "" for name in names]
    aligned = [' style="text-align: right"' if name in NUMBERS else "" for name in names]

    def line(cells: Sequence[str], tag: str) -> str:
        filled = (f"<{tag}{style}>{escape(cell)}</{tag}>" for cell, style in zip(cells, aligned, strict=True))
        return f"<tr>{''.join(filled)}</tr>"

    totals = ["total" if names[0] not in NUMBERS else sums[0], *sums[1:]]
    body = "\n".join(line(cells, "td") for cells in rows)
    below = escape("\n".join([*_notes(ledger), *foot_lines(ledger)]))
    return (
        f"<table>\n<thead>{line(heads, 'th')}</thead>\n<tbody>\n{body}\n</tbody>\n"
        f"<tfoot>{line(totals, 'th')}</tfoot>\n</table>\n<pre>{below}</pre>"
    )


def as_csv(ledger: Ledger, names: Sequence[str]) -> str:
    """The rows as comma-separated values: headings first, plain numbers, no totals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([COLUMNS[name][1](row) for name in names] for row in ledger.rows)
    return out.getvalue().rstrip("\n")


def as_json(ledger: Ledger, network: str) -> str:
    """The rows and totals as JSON."""
    return json.dumps(as_data(ledger, network), indent=2)


def as_data(ledger: Ledger, network: str) -> dict[str, Any]:
    """The rows and totals as plain data; volumes and pairs are lists, height first."""
    totals = ledger.totals
    return {
        "network": network,
        "input": list(ledger.volume),
        "remarks": list(ledger.remarks),
        "rows": [
            {
                "path": row.path,
                "layer": repr(row.layer),
                "formula": row.formula,
                "input": list(row.input),
                "output": list(row.output),
                "params": row.params,
                "macs": row.macs if row.layer.accounted else None,
                "values": row.values,
                "field": {
                    "size": list(row.field.size),
                    "jump": [plain(side) for side in row.field.jump],
                    "start": list(row.field.start),
                },
                "note": row.note,
                "side": row.side,
            }
            for row in ledger.rows
        ],
        "totals": {name: getattr(totals, name) for name in (*totals.__slots__, "flops")},
    }


def _of_input(ledger: Ledger, name: str) -> str:
    """The cell of the input's row."""
    shown = {"path": "input", "output": str(ledger.volume), "field": "1", "jump": "1", "start": "0"}
    return shown.get(name, "")


def _cell(value: str | int) -> str:
    return count(value) if isinstance(value, int) else value
