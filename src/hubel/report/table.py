"""A ledger as a table: text, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from rich import box
from rich.console import Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from hubel.errors import UsageError, nearest
from hubel.net.ledger import Ledger, Row
from hubel.net.window import Pair, pair_text
from hubel.report.units import count, memory, short

DEFAULT = ("path", "layer", "formula", "output", "params", "macs", "field")
"""The columns that fit a terminal of 100 characters."""


def _sides(size: Pair) -> str:
    return str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"


COLUMNS: dict[str, tuple[str, Callable[[Row], str | int]]] = {
    "path": ("path", lambda row: row.path),
    "layer": ("layer", lambda row: repr(row.layer)),
    "formula": ("size", lambda row: row.formula),
    "input": ("input", lambda row: str(row.input)),
    "output": ("output", lambda row: str(row.output)),
    "params": ("params", lambda row: row.params),
    "macs": ("MACs", lambda row: row.macs),
    "values": ("values", lambda row: row.values),
    "field": ("sees\npx", lambda row: _sides(row.field.size)),
    "jump": ("jump\npx", lambda row: _sides(row.field.jump)),
    "start": ("start\npx", lambda row: pair_text(row.field.start)),
    "note": ("note", lambda row: row.note),
}
"""Every column: its heading, and what it shows of a row."""

NUMBERS = ("params", "macs", "values")
"""The columns that are summed; in text they stand to the right, with their thousands apart."""


def check_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Checks column names; `all` is every one of them. Raises UsageError: no such column."""
    if list(names) == ["all"]:
        return tuple(COLUMNS)
    for name in names:
        if name not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise UsageError(
                f"there is no column {name!r}{nearest(name, COLUMNS)}; choose from {known}, or all"
            )
    return tuple(names)


def as_text(ledger: Ledger, names: Sequence[str] = DEFAULT) -> Group:
    """The table for a terminal: rows, totals, what rounding drops, and memory by accounting."""
    table = rows_as_text(ledger, names)
    table.show_footer = True
    notes = [Text(f"{row.path}: {row.note}", style="yellow") for row in ledger.rows if row.note]
    return Group(table, *notes, Text("\n".join(foot_lines(ledger))))


def rows_as_text(ledger: Ledger, names: Sequence[str] = DEFAULT) -> Table:
    """The rows for a terminal, without totals, which mean nothing where the network breaks off."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(names):
        numeric = name in NUMBERS
        foot = count(getattr(ledger.totals, name)) if numeric else "total" if number == 0 else ""
        justify: JustifyMethod = "right" if numeric else "left"
        table.add_column(COLUMNS[name][0], foot, justify=justify, no_wrap=numeric, overflow="fold")
    table.add_row(*(_of_input(ledger, name) for name in names), style="dim")
    for row in ledger.rows:
        cells = (COLUMNS[name][1](row) for name in names)
        shown = [count(cell) if isinstance(cell, int) else cell for cell in cells]
        table.add_row(*shown, style="dim" if row.side else None)
    return table


def foot_lines(ledger: Ledger) -> list[str]:
    """The totals in words, and memory for one image in float32 by named accounting."""
    totals = ledger.totals
    lines = [
        f"{short(totals.params)} parameters, {short(totals.macs)} MACs, {short(totals.flops)} FLOPs "
        f"(a MAC is 2, biases are none)",
        "memory in float32, activations for one image:",
        f"  all values that flow   {memory(4 * totals.flow_values)}, {count(totals.flow_values)} values "
        f"with the input's {count(ledger.volume.values)}",
        f"  kept for backward      {memory(totals.backward_bytes)}, by autograd",
        f"  inference peak         {memory(totals.inference_peak_bytes)}, with buffers reused",
        f"  parameters             {memory(totals.param_bytes)}",
        f"  training state         {memory(totals.training_state_bytes)}, parameters, gradients and momentum",
    ]
    if totals.side_params:
        lines.insert(
            1,
            f"of which side heads, in training only: {count(totals.side_params)} parameters, "
            f"{count(totals.side_macs)} MACs",
        )
    return lines


def as_markdown(ledger: Ledger, names: Sequence[str] = DEFAULT) -> str:
    """The table in Markdown, totals as its last row."""
    heads = [COLUMNS[name][0].replace("\n", ", ") for name in names]
    rules = ["---:" if name in NUMBERS else "---" for name in names]
    rows = [[_escaped(COLUMNS[name][1](row)) for name in names] for row in ledger.rows]
    sums = [count(getattr(ledger.totals, name)) if name in NUMBERS else "" for name in names]
    lines = [heads, rules, *rows, ["**total**" if names[0] not in NUMBERS else sums[0], *sums[1:]]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_csv(ledger: Ledger, names: Sequence[str]) -> str:
    """The rows as comma-separated values, plain numbers, a heading line, no totals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([COLUMNS[name][1](row) for name in names] for row in ledger.rows)
    return out.getvalue().rstrip("\n")


def as_json(ledger: Ledger, network: str) -> str:
    """The rows and totals as JSON, in the form the guide documents."""
    return json.dumps(as_data(ledger, network), indent=2)


def as_data(ledger: Ledger, network: str) -> dict[str, Any]:
    """The rows and totals as plain data; volumes and pairs are lists, height first."""
    totals = ledger.totals
    return {
        "network": network,
        "input": list(ledger.volume),
        "rows": [
            {
                "path": row.path,
                "layer": repr(row.layer),
                "formula": row.formula,
                "input": list(row.input),
                "output": list(row.output),
                "params": row.params,
                "macs": row.macs,
                "values": row.values,
                "field": {
                    "size": list(row.field.size),
                    "jump": list(row.field.jump),
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
    """What the line of the input shows in a column."""
    shown = {"path": "input", "output": str(ledger.volume), "field": "1", "jump": "1", "start": "0"}
    return shown.get(name, "")


def _escaped(cell: str | int) -> str:
    return count(cell) if isinstance(cell, int) else cell.replace("|", "\\|")
