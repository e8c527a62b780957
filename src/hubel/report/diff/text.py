"""The difference of two networks as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from hubel.net.depth import depth
from hubel.net.ledger import Ledger, Row
from hubel.report.diff.changes import Change, Kind
from hubel.report.styled import Style, Styled
from hubel.report.table import left_out
from hubel.report.units import count, memory

SIGNS = {
    Kind.CHANGED: "~",
    Kind.ADDED: "+",
    Kind.REMOVED: "-",
    Kind.MOVED: ">",
    Kind.REWIRED: ">",
    Kind.FOLLOWS: "=",
}
STYLES: dict[str, Style] = {"~": "yellow", "+": "green", "-": "red", ">": "yellow", "=": "cyan"}
LONGEST = 72
"""The longest notation of a layer in the text, in characters; the JSON has all of it."""


LABELS = {
    "depth": "depth, layers with weights",
    "params": "parameters",
    "macs": "MACs",
    "flow_values": "all values that flow",
    "backward_bytes": "kept for backward",
    "inference_peak_bytes": "inference peak",
}
"""The totals that are shown, and their labels."""


def as_text(names: tuple[str, str], before: Ledger, after: Ledger, found: Sequence[Change]) -> Styled:
    """The layers that differ, then the totals of both networks and the difference."""
    text = Styled()
    heads = _heads(names)
    for sign, name, head, table in zip("-+", names, heads, (before, after), strict=True):
        which = f"{head}: " if heads == ("a", "b") else ""
        text.append(f"{3 * sign} {which}{name}, {table.volume}\n", "red" if sign == "-" else "green")
    if not found:
        return text.append("no layer differs\n")
    text.append("\n")
    shown = [change for change in found if not _of_size_alone(change)]
    for sign, blocks in groupby(_blocks(shown, before, after), lambda block: block.sign):
        for title, detail in _joined(list(blocks)):
            text.append(f"{sign} {title}\n", STYLES[sign]).append(f"    {detail}\n")
    follow = [change.path for change in found if _of_size_alone(change)]
    if follow:
        text.append(f"= {count(len(follow))} more differ in size only: {_few(follow)}\n", "dim")
    text.append("\n").append(_totals(names, before, after))
    for name, table in zip(names, (before, after), strict=True):
        if table.unaccounted:
            text.append(f"{name}: {left_out(table)}\n")
    return text


def as_json(names: tuple[str, str], before: Ledger, after: Ledger, found: Sequence[Change]) -> str:
    """The difference as JSON; every layer is listed."""
    return json.dumps(as_data(names, before, after, found), indent=2, ensure_ascii=False)


def as_data(names: tuple[str, str], before: Ledger, after: Ledger, found: Sequence[Change]) -> dict[str, Any]:
    """The difference as plain data; `before` and `after` are None where the layer does not exist."""
    tables = {"before": before, "after": after}
    return {
        **{
            side: {"network": name, "input": list(table.volume), "macs_unknown": list(table.unaccounted)}
            for name, (side, table) in zip(names, tables.items(), strict=True)
        },
        "changes": [
            {
                "change": change.kind.value,
                "before": _row_data(change.before),
                "after": _row_data(change.after),
                "params": change.params,
                "macs": change.macs,
            }
            for change in found
        ],
        "totals": {
            **{side: _sums(table) for side, table in tables.items()},
            "difference": {name: _sums(after)[name] - _sums(before)[name] for name in _sums(after)},
        },
    }


def _row_data(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "path": row.path,
        "layer": repr(row.layer),
        "input": list(row.input),
        "output": list(row.output),
        "params": row.params,
        "macs": row.macs,
    }


def _sums(table: Ledger) -> dict[str, int]:
    return {"depth": depth(table.steps)} | {
        name: getattr(table.totals, name) for name in LABELS if name != "depth"
    }


def _of_size_alone(change: Change) -> bool:
    """Whether only the volumes around a layer differ."""
    return change.kind is Kind.FOLLOWS and not (change.params or change.macs)


class _Block(NamedTuple):
    """One entry of the text: a layer, or a named part that is added or removed with all its `layers`."""

    sign: str
    name: str
    layers: int
    detail: str


def _blocks(found: Sequence[Change], before: Ledger, after: Ledger) -> Iterator[_Block]:
    """The changes one by one; a named part that is added or removed as a whole is one block."""
    known = {Kind.ADDED: _parts(before), Kind.REMOVED: _parts(after)}

    def part(change: Change) -> tuple[Kind, str]:
        return change.kind, _new_part(change.path, known[change.kind]) if change.kind in known else ""

    for (kind, name), group in groupby(found, part):
        changes = list(group)
        if name:
            yield _Block(SIGNS[kind], name, len(changes), _costs_of(changes))
        else:
            yield from (
                _Block(SIGNS[kind], _title(change, before, after), 0, _costs_of([change]))
                for change in changes
            )


def _joined(blocks: Sequence[_Block]) -> Iterator[tuple[str, str]]:
    """A title and a detail for each block; consecutive parts that are alike are joined."""
    for (layers, detail), group in groupby(blocks, lambda block: (block.layers, block.detail)):
        names = [block.name for block in group]
        if not layers:
            yield from ((name, detail) for name in names)
        elif len(names) == 1:
            yield f"{names[0]}  {layers} layers", detail
        else:
            yield f"{names[0]} to {names[-1]}  {len(names)} parts of {layers} layers", f"each {detail}"


def _parts(table: Ledger) -> set[str]:
    """The names of all parts of a network: the prefixes of its paths."""
    pieces = [row.path.split(".") for row in table.rows]
    return {".".join(path[:length]) for path in pieces for length in range(1, len(path))}


def _new_part(path: str, known: set[str]) -> str:
    """The largest part that contains a path and is not among the known ones; empty if there is none."""
    pieces = path.split(".")
    prefixes = (".".join(pieces[:length]) for length in range(1, len(pieces)))
    return next((prefix for prefix in prefixes if prefix not in known), "")


def _title(change: Change, before: Ledger, after: Ledger) -> str:
    """The name and the layer, before and after; and the layers it reads, where they changed."""
    rows = [row for row in (change.before, change.after) if row is not None]
    title = f"{_arrow([row.path for row in rows])}  {_arrow([_cut(repr(row.layer)) for row in rows])}"
    if change.kind in (Kind.MOVED, Kind.REWIRED):
        title += f", reads {_arrow([_reads(before, rows[0]), _reads(after, rows[1])])}"
    return title


def _costs_of(group: Sequence[Change]) -> str:
    """The output of the last layer, and the difference in parameters and MACs."""
    last = group[-1]
    sizes = _arrow([str(row.output) for row in (last.before, last.after) if row is not None])
    costs = (("params", sum(each.params for each in group)), ("MACs", sum(each.macs for each in group)))
    return ", ".join([sizes, *(f"{name} {number:+,}" for name, number in costs if number)])


def _cut(layer: str) -> str:
    return layer if len(layer) <= LONGEST else f"{layer[: LONGEST - 2]}…)"


def _reads(table: Ledger, row: Row) -> str:
    return next(" and ".join(step.sources) for step in table.steps if step.path == row.path)


def _arrow(texts: Sequence[str]) -> str:
    """`before -> after`, or the text alone where both are the same."""
    return " -> ".join(dict.fromkeys(texts))


def _few(paths: Sequence[str], most: int = 6) -> str:
    """The first paths, with an ellipsis where there are more."""
    return ", ".join(paths[:most]) + (", …" if len(paths) > most else "")


def _totals(names: tuple[str, str], before: Ledger, after: Ledger) -> str:
    """The totals in three columns: before, after, difference."""
    lines: list[tuple[str, str, str, str]] = [("", *_heads(names), "difference")]
    pairs = zip(_sums(before).items(), _sums(after).values(), strict=True)
    for (name, old), new in pairs:
        label = LABELS[name]
        if name.endswith("_bytes"):
            lines.append((label, _megabytes(old), _megabytes(new), _signed_megabytes(new - old)))
        else:
            lines.append((label, count(old), count(new), f"{new - old:+,}" if new != old else "0"))
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    text = ""
    for label, *cells in lines:
        numbers = (f"   {cell:>{wide}}" for cell, wide in zip(cells, widths[1:], strict=True))
        text += label.ljust(widths[0]) + "".join(numbers) + "\n"
    return text


def _heads(names: tuple[str, str]) -> tuple[str, str]:
    """The names, the ends of long ones left out; `a` and `b` where nothing else would tell them apart."""
    one, other = (name if len(name) <= 24 else f"{name[:23]}…" for name in names)
    return ("a", "b") if one == other and names[0] != names[1] else (one, other)


def _megabytes(size: int) -> str:
    return memory(size).partition(" (")[0]


def _signed_megabytes(size: int) -> str:
    return f"{'-' if size < 0 else '+'}{_megabytes(abs(size))}" if size else "0"
