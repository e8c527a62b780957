"""Networks side by side, one column each, in blocks that fit the terminal; and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hubel.counted import between, interval, percent
from hubel.net.layer import FLOAT_BYTES
from hubel.report.compare.facts import MOST, Facts, Share
from hubel.report.styled import Styled
from hubel.report.table import left_out
from hubel.report.units import count, memory
from hubel.report.zoo import error

if TYPE_CHECKING:
    from hubel.model.header import Validated

Line: TypeAlias = tuple[str, Callable[[Facts], str]]

GAP = 3
TOTALS = (
    "flow_values",
    "backward_bytes",
    "inference_peak_bytes",
    "param_bytes",
    "training_state_bytes",
    "side_params",
    "side_macs",
)
"""The ledger's totals that the JSON repeats."""


def as_text(facts: Sequence[Facts], width: int) -> Styled:
    """The comparison for a terminal of `width` characters, then notes on each network."""
    heads = headings(facts)
    lines = _lines(facts)
    labels = max(len(label) for label, _ in lines)
    columns = [[head, *(show(each) for _, show in lines)] for head, each in zip(heads, facts, strict=True)]
    text = Styled()
    for block in _blocks(columns, width - labels):
        widths = [max(map(len, column)) for column in block]
        for number, cells in enumerate(zip(*block, strict=True)):
            label = lines[number - 1][0] if number else ""
            row = (cell.rjust(wide + GAP) for cell, wide in zip(cells, widths, strict=True))
            heading = number == 0 or not any(cells)
            text.append((label.ljust(labels) + "".join(row)).rstrip() + "\n", "bold" if heading else "")
            if number == 0:
                text.append("─" * (labels + sum(widths) + GAP * len(widths)) + "\n", "dim")
        text.append("\n")
    for head, each in zip(heads, facts, strict=True):
        text.append(_said_of(head, each))
        if each.ledger.unaccounted:
            text.append(f"{head}: {left_out(each.ledger)}\n")
    return text


def headings(facts: Sequence[Facts]) -> list[str]:
    """The heading of each column: the network's name, or a number in place of a long notation."""
    longest = 24
    return [
        each.name if len(each.name) <= longest else f"net {number}" for number, each in enumerate(facts, 1)
    ]


def as_json(facts: Sequence[Facts]) -> str:
    """The comparison as JSON: whole numbers, shares from 0 to 1, errors in percent or null."""
    return json.dumps([as_data(each) for each in facts], indent=2, ensure_ascii=False)


def as_data(facts: Facts) -> dict[str, Any]:
    """One network of a comparison as plain data."""
    entry = facts.published
    return {
        "network": facts.name,
        "input": list(facts.ledger.volume),
        "depth": facts.depth,
        "params": facts.params,
        "fc_params": facts.fc_params,
        "most_params": [{"part": most.part, "share": most.share} for most in facts.most_params],
        "macs": facts.macs,
        "macs_unknown": list(facts.ledger.unaccounted),
        "last_conv_field": list(facts.field.size) if facts.field else None,
        "most_values": [{"part": most.part, "share": most.share} for most in facts.most_values],
        **{name: getattr(facts.ledger.totals, name) for name in TOTALS},
        "validated": _validated(facts.validated),
        "published": entry
        and {
            "year": entry.year,
            "paper": entry.paper,
            "data": entry.data,
            "top1_error": entry.top1_error,
            "top5_error": entry.top5_error,
            "result": entry.result,
            "source": entry.source,
        },
    }


def _validated(found: Validated | None) -> dict[str, Any] | None:
    """How a trained model did on its validation images, as plain data."""
    if found is None:
        return None
    return {
        "correct": found.correct,
        "images": found.images,
        "top1": found.correct / found.images,
        "interval": interval(found.correct, found.images),
        "chance": 1 / found.classes,
    }


def _lines(facts: Sequence[Facts]) -> list[Line]:
    """Every line: its label, and the cell of a network."""
    lines: list[Line] = [
        ("input", lambda each: str(each.ledger.volume)),
        ("depth, layers with weights", lambda each: count(each.depth)),
        ("last convolution sees", _field),
        ("MACs", lambda each: count(each.macs)),
        ("parameters", lambda each: count(each.params)),
        ("  in fully connected layers", lambda each: percent(each.fc_share)),
        *_most("  most in", lambda each: each.most_params),
        ("activations, one image", lambda each: f"{count(each.ledger.totals.flow_values)} values"),
        *_most("  most in", lambda each: each.most_values),
        ("memory in float32, one image", lambda _: ""),
        ("  all values that flow", lambda each: _megabytes(FLOAT_BYTES * each.ledger.totals.flow_values)),
        ("  kept for backward", lambda each: _megabytes(each.ledger.totals.backward_bytes)),
        ("  inference peak", lambda each: _megabytes(each.ledger.totals.inference_peak_bytes)),
        ("  parameters", lambda each: _megabytes(each.ledger.totals.param_bytes)),
        ("  training state", lambda each: _megabytes(each.ledger.totals.training_state_bytes)),
        (
            "published top-1 error, %",
            lambda each: error(each.published.top1_error if each.published else None),
        ),
        (
            "published top-5 error, %",
            lambda each: error(each.published.top5_error if each.published else None),
        ),
    ]
    if any(each.validated for each in facts):
        lines += [
            ("validation accuracy", _of_validated(lambda found: percent(found.correct / found.images))),
            ("  images", _of_validated(lambda found: f"{count(found.correct)} of {count(found.images)}")),
            ("  95 % interval", _of_validated(lambda found: between(found.correct, found.images))),
            ("  chance, 1 / classes", _of_validated(lambda found: percent(1 / found.classes))),
        ]
    if any(each.ledger.totals.side_params for each in facts):
        side: list[Line] = [
            ("of these in side heads, parameters", lambda each: _or_dash(each.ledger.totals.side_params)),
            ("  MACs, in training only", lambda each: _or_dash(each.ledger.totals.side_macs)),
        ]
        published = next(at for at, (label, _) in enumerate(lines) if label.startswith("published"))
        lines[published:published] = side
    return lines


def _most(label: str, shares: Callable[[Facts], Sequence[Share]]) -> list[Line]:
    """One line for each of the largest parts; a network with fewer parts leaves the last lines empty."""

    def at(place: int) -> Callable[[Facts], str]:
        def show(facts: Facts) -> str:
            found = shares(facts)[place : place + 1]
            return f"{found[0].part} {percent(found[0].share):>7}" if found else ""

        return show

    return [(label if place == 0 else "", at(place)) for place in range(MOST)]


def _of_validated(text: Callable[[Validated], str]) -> Callable[[Facts], str]:
    """A line of trained models alone."""
    return lambda facts: text(facts.validated) if facts.validated else "-"


def _field(facts: Facts) -> str:
    return f"{facts.field.size[0]}x{facts.field.size[1]} px" if facts.field else "-"


def _or_dash(number: int) -> str:
    return count(number) if number else "-"


def _megabytes(size: int) -> str:
    """Bytes in kB, MB or GB."""
    return memory(size).partition(" (")[0]


def _blocks(columns: Sequence[list[str]], room: int) -> list[list[list[str]]]:
    """The columns in as few blocks as fit `room` characters, at least one column in each."""
    blocks: list[list[list[str]]] = [[]]
    left = room
    for column in columns:
        wide = GAP + max(map(len, column))
        if wide > left and blocks[-1]:
            blocks.append([])
            left = room
        blocks[-1].append(column)
        left -= wide
    return blocks


def _said_of(head: str, facts: Facts) -> str:
    """How the errors of a network were measured, or why it has none; and a long notation in full."""
    entry, published = facts.entry, facts.published
    name = f"{head}: {facts.name}\n" if head != facts.name else ""
    if entry is None:
        return f"{name}{head}: not a network of the zoo, so no published errors\n"
    if published is None:
        return f"{name}{head}: the published errors are for {entry.input}, not for {facts.ledger.volume}\n"
    where = f", {entry.source}" if entry.source else ""
    return f"{name}{head}: {entry.data}, {entry.result} ({entry.paper}{where})\n"
