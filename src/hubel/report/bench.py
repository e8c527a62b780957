"""The figures of engines, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from hubel.counted import percent

if TYPE_CHECKING:
    from hubel.engines.figures import Benchmark, EngineFigures


def as_text(found: Benchmark) -> str:
    """Returns a table, the fastest engine first, and what `auto` takes."""
    ran = [each for each in found.engines if not each.error]
    heads = ["engine"]
    for pace in ran[0].paces:
        heads += [f"batch {pace.batch}: ms", "p99", "images/s"]
    heads += ["ready", "memory", "difference", "same top-1"]
    rows = [heads, *(_row(each) for each in ran)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = [_aligned(row, widths) for row in rows]
    lines.insert(1, "─" * len(lines[0]))
    lines += [f"{each.name}: {each.error}" for each in found.engines if each.error]
    lines += [
        f"{found.processor}, {found.cores} cores; answers compared with {found.reference} on {found.images}",
        f"auto takes {found.auto}: {found.why}",
    ]
    return "\n".join(line.rstrip() for line in lines)


def as_json(found: Benchmark) -> str:
    """Returns a JSON object; times in seconds, memory in bytes."""
    return json.dumps(asdict(found), indent=2, ensure_ascii=False, allow_nan=False)


def _aligned(row: list[str], widths: list[int]) -> str:
    """A row's cells, the first aligned left."""
    first, *rest = zip(row, widths, strict=True)
    return "  ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in rest)])


def _row(each: EngineFigures) -> list[str]:
    cells = [each.name]
    for pace in each.paces:
        speed = pace.per_second
        cells += [
            f"{1e3 * pace.median:.2f}",
            f"{1e3 * pace.p99:.2f}",
            f"{speed:,.{0 if speed >= 100 else 1}f}",
        ]
    same = "" if each.agreement is None else percent(each.agreement)
    return [*cells, f"{each.ready:.2f} s", f"{each.memory / 1e6:.0f} MB", f"{each.difference:.1g}", same]
